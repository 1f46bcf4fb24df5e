"""Beginners' mistakes, refused or warned of with a sentence that says what to do."""
