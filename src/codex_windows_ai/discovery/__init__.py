"""How programs of one user find their one host."""
