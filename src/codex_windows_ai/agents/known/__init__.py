"""The coding agents that can be launched, one file each."""
