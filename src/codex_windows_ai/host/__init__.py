"""The process that owns the model, and its HTTP door."""
