"""The offline page: programs and rules, emitted for the browser."""
