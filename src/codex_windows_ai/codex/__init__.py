"""The Codex door."""
