"""Anthropic's API: POST /v1/messages, /v1/messages/count_tokens, and how its clients read models and errors."""
