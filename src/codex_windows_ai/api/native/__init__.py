"""POST /generate: what our own programs ask, without a field lost on the way to OpenAI's form and back."""
