"""What this host serves: its models, its agents, its figures."""
