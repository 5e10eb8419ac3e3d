"""The models that are served, as Anthropic's clients read them.

Format: https://platform.claude.com/docs/en/api/models/list
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from codex_windows_ai.serving.served_model import ServedModel


def model_list(models: Sequence[ServedModel]) -> dict[str, Any]:
    """All of them, in one page."""
    entries = [model_entry(model) for model in models]
    names = [entry["id"] for entry in entries]
    return {
        "data": entries,
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
    }


def model_entry(model: ServedModel) -> dict[str, Any]:
    """One of them; its window, in tokens, is the prompt's and the answer's together."""
    return {
        "type": "model",
        "id": model.name,
        "display_name": model.name,
        "created_at": datetime.fromtimestamp(model.created, UTC).isoformat().replace("+00:00", "Z"),
        "lifecycle": "active",
        "max_input_tokens": model.context_window,
        "max_tokens": model.context_window,
    }
