"""What this machine has, what is missing, and the command that fixes it."""
