"""What talks to the host: it never runs in it."""
