"""What is compared: the ways of serving several agents."""
