"""How a model family talks: messages and tools in, tokens out, and back."""
