"""Codex's catalogue, made of what a host serves."""

from __future__ import annotations

import pytest

from codex_windows_ai.codex.client_profile import codex_profile
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.serving.served_model import ServedModel
from codex_windows_ai.settings import Settings

WINDOWS = ServedModel(
    "windows-language-model",
    owner="windows",
    source=AnswerSource("language-model", "chosen by Windows", "", "windows-language-model", "in-process"),
)
SMALL = ServedModel("small", owner="codex-windows-ai", context_window=8192)
LARGE = ServedModel("large", owner="codex-windows-ai", context_window=32768, can_use_tools=True)


def shells(settings: Settings, *models: ServedModel) -> dict[str, str]:
    entries = codex_profile(settings).catalogue(models)["models"]
    return {entry["slug"]: entry["shell_type"] for entry in entries}


def test_only_models_with_a_known_window_are_for_codex() -> None:
    assert list(shells(Settings(), WINDOWS, SMALL)) == ["small"]
    assert codex_profile(Settings()).catalogue([WINDOWS]) == {"models": []}


@pytest.mark.parametrize(
    ("setting", "small", "large"),
    [(None, "disabled", "unified_exec"), (True, "unified_exec", "unified_exec"), (False, "disabled", "disabled")],
)
def test_tools_are_offered_by_the_setting_else_by_the_size(setting: bool | None, small: str, large: str) -> None:
    assert shells(Settings(codex_tools=setting), SMALL, LARGE) == {"small": small, "large": large}
