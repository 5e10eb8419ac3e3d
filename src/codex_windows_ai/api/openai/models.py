"""The models that are served, as OpenAI's clients read them, each with its true window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codex_windows_ai.api.shared.profiles import ClientProfile
from codex_windows_ai.protocol.answered_by import answered_by
from codex_windows_ai.serving.served_model import ServedModel


def model_list(models: Sequence[ServedModel], profiles: Sequence[ClientProfile]) -> dict[str, Any]:
    """All of them, for OpenAI's clients (`data`) and for others by keys of their own."""
    body: dict[str, Any] = {"object": "list", "data": [model_entry(model) for model in models]}
    for profile in profiles:
        body |= profile.catalogue(models)
    return body


def model_entry(model: ServedModel) -> dict[str, Any]:
    """OpenAI's `Model`; `context_window` in tokens, null where nobody can say."""
    entry: dict[str, Any] = {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": model.owner,
        "context_window": model.context_window,
    }
    if model.source is not None:
        entry["windows_ai"] = answered_by(model.source)
    return entry
