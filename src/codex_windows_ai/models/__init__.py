"""Model files: find, fetch, convert, verify."""
