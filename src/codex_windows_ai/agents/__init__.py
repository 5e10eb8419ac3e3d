"""Setting up other agents and editors, so that they find this host."""
