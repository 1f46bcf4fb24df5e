"""The page and a browser, for the tests of this folder."""

from pages import browser, made  # noqa: F401, fixtures
