"""The kernel driver from Python: its ABI, the bridge to it, and the shared-memory channel."""
