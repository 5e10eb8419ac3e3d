"""One on-device model, shared by every coding agent on the PC."""
