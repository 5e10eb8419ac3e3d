"""Which format a model has: the one that its template writes, unless another one is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from codex_windows_ai.chat.formats import FORMATS, chat_format
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import SettingsError
from codex_windows_ai.protocol.message import Message
from codex_windows_ai.protocol.tools import Tool, ToolSet
from codex_windows_ai.settings import ChatFormatName
from tests.chat.families import AS_TEXT, FAMILIES, speak


@pytest.mark.parametrize("name", FAMILIES)
def test_a_template_says_by_what_it_writes(name: str, tmp_path: Path) -> None:
    assert speak(FAMILIES[name], tmp_path).form.name == FAMILIES[name].format


def test_the_setting_knows_all_formats() -> None:
    assert sorted(get_args(ChatFormatName)) == sorted(["auto", *(kind.name for kind in FORMATS)])


@pytest.mark.parametrize("name", ["qwen-xml", "mistral", "phi4", "llama"])
def test_one_that_is_asked_for_is_told_in_words(default_model: Path, tokenizer: Tokenizer, name: str) -> None:
    form = chat_format(default_model, tokenizer, name)

    tools = ToolSet((Tool("function", "read", parameters={"type": "object"}),))
    tokens = form.render([Message("user", "Hello")], tools)

    assert form.name == name
    assert '"read"' in b"".join(tokenizer.bytes_of(token) for token in tokens).decode()


@pytest.mark.parametrize(("name", "reason"), [("morse", "There is no"), ("harmony", "fit"), ("gemma4", "fit")])
def test_one_that_cannot_be_had_is_refused(default_model: Path, tokenizer: Tokenizer, name: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as refused:
        chat_format(default_model, tokenizer, name)

    assert refused.value.hint


def test_a_form_that_is_not_known_is_said(tmp_path: Path) -> None:
    family = AS_TEXT["llama, as text"]
    template = family.template.replace('"parameters": ', '"with": ')
    form = speak(type(family)("hermes", template, family.tokens, family.ends, as_text=True), tmp_path).form

    assert form.name == "hermes"
    assert any("not known here" in remark for remark in form.remarks)
