"""Work that may take without end, in processes of its own that are ended where it does."""
