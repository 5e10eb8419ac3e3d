"""POST /v1/responses: OpenAI's Responses API, as the Codex CLI speaks it."""
