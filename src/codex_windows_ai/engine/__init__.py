"""One model, many agents."""
