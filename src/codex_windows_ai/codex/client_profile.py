"""What the host's endpoints do otherwise for Codex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codex_windows_ai.api.shared.profiles import ClientProfile
from codex_windows_ai.codex.model_info import base_instructions, model_info
from codex_windows_ai.serving.served_model import ServedModel
from codex_windows_ai.settings import Settings


def codex_profile(settings: Settings) -> ClientProfile:
    """Codex as a client; the setting `codex_tools` says whether it offers its tools, else the model's size does."""

    def catalogue(models: Sequence[ServedModel]) -> Mapping[str, Any]:
        return {"models": codex_catalogue(models, tools=settings.codex_tools)}

    return ClientProfile(
        "Codex",
        is_codex,
        completes_cut_text=True,
        catalogue=catalogue,
    )


def is_codex(headers: Mapping[str, str]) -> bool:
    """Codex names itself in its headers."""
    return "originator" in headers or any(name.startswith("x-codex-") for name in headers)


def codex_catalogue(models: Sequence[ServedModel], *, tools: bool | None) -> list[dict[str, Any]]:
    """The entries of those models that Codex can work with.

    It works with tools and long prompts: Windows' own language model takes neither and has no known window.
    """
    return [
        model_info(
            slug=model.name,
            context_window=model.context_window,
            base_instructions=base_instructions(),
            tools=model.can_use_tools if tools is None else tools,
            thinks=model.thinks,
            efforts=model.efforts,
        )
        for model in models
        if model.context_window is not None
    ]
