"""What every endpoint does alike: read, check, ask, stream, fail, say who answered."""
