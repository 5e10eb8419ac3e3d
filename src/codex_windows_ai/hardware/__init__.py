"""Adapters of this machine and their live figures."""
