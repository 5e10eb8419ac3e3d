"""The next token: chosen from logits, under a grammar, up to a stop string; and draft tokens for several at once."""
