"""The model catalogue that Codex reads at its start: true windows and our instructions instead of its defaults.

Without an entry Codex takes a window of 272,000 tokens and sends 17 kB of instructions. The entry is the one that the
host gives at `/v1/models`, made from the model that it has loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from codex_windows_ai.errors import WindowsAiError

ModelInfo = Mapping[str, Any]


def catalogue_text(models: Sequence[ModelInfo]) -> str:
    """The file `model_catalog_json` names."""
    return json.dumps({"models": list(models)}, ensure_ascii=False, indent=2) + "\n"


def models_in(body: object) -> list[ModelInfo]:
    """Codex's part of the host's answer at `/v1/models`.

    Raises WindowsAiError: it has none; what answered is no host of ours.
    """
    models = cast("dict[str, Any]", body).get("models") if isinstance(body, dict) else None
    if not isinstance(models, list) or not models:
        raise WindowsAiError(
            "The host's list of models has no entry for Codex.",
            hint="Something else may answer at the host's address: see `cwai status`.",
        )
    return cast("list[ModelInfo]", models)
