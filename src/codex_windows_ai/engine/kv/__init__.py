"""Keys and values: the memory of sequences, of prefixes that are kept, and of one that all running sequences share."""
