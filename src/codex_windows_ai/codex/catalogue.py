"""The model catalogue that Codex reads at its start: true windows and our instructions instead of its defaults.

Without an entry Codex takes a window of 272,000 tokens and sends 17 kB of instructions. The entry is the one that the
host gives at `/v1/models`, made from the model that it has loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.protocol.json_values import as_object

ModelInfo = Mapping[str, Any]


def catalogue_text(models: Sequence[ModelInfo]) -> str:
    """The file `model_catalog_json` names."""
    return json.dumps({"models": list(models)}, ensure_ascii=False, indent=2) + "\n"


def models_in(body: object) -> list[ModelInfo]:
    """Codex's part of the host's answer at `/v1/models`.

    Raises NotAvailableError: it has none, because only Windows' own language model answers there.
    """
    models = as_object(body).get("models")
    if not isinstance(models, list) or not models:
        raise NotAvailableError(
            "The host serves no model for Codex: Windows' own language model takes no tools and no long prompts.",
            hint="Set `provider` to `engine` or `auto`, then `cwai stop`.",
        )
    return cast("list[ModelInfo]", models)


def offers_tools(model: ModelInfo) -> bool:
    """Whether Codex offers its tools to this model."""
    return model["shell_type"] != "disabled"
