"""The trial of a model's chat template: what fails is said when the model is added, with a way out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codex_windows_ai.chat.trial import try_chat
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import ModelFileError

Try = Callable[..., tuple[str, ...]]
WORDS = "{% for m in messages %}{{ m.content }}{% endfor %}"


@pytest.fixture
def tried(tmp_path: Path, default_model: Path) -> Try:
    """Tries a template on the default model's tokenizer, whose `added_tokens` may be others."""

    def try_template(source: str | None, added_tokens: list[Any] | None = None) -> tuple[str, ...]:
        description = json.loads((default_model / "tokenizer.json").read_text(encoding="utf-8"))
        if added_tokens is not None:
            description["added_tokens"] = added_tokens
        (tmp_path / "tokenizer.json").write_text(json.dumps(description), encoding="utf-8")
        (tmp_path / "tokenizer_config.json").write_text("{}", encoding="utf-8")
        if source is not None:
            (tmp_path / "chat_template.jinja").write_text(source, encoding="utf-8")
        return try_chat(tmp_path, Tokenizer(tmp_path / "tokenizer.json"))

    return try_template


def test_a_sound_template_leaves_nothing_to_say(default_model: Path, tokenizer: Tokenizer) -> None:
    assert try_chat(default_model, tokenizer) == ()


def test_a_model_without_a_template_may_be_installed_and_that_is_said(tried: Try) -> None:
    (remark,) = tried(None)

    assert "no chat template" in remark
    assert "/v1/completions" in remark


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% for m in %}", "does not compile"),
        ("{% unknown %}", "does not compile"),
        ("{{ 'x' | no_such_filter }}" + WORDS, "does not compile"),
        ("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "within 5 seconds"),
        ("{{ 'a' * 10 ** 12 }}", "memory"),
        ("{% for a in range(100000) %}{{ 'a' * 100000 }}{% endfor %}", "characters"),
        ("{{ raise_exception('never') }}", "never"),
        ("{{ messages[0].nothing.at_all }}", "has no attribute 'nothing'"),
        ("", "does not write what the user says"),
        ("always the same", "does not write what the user says"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_with_a_way_out(tried: Try, source: str | None, reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason) as refused:
        tried(source)

    assert refused.value.hint


def test_the_tag_of_training_is_known(tried: Try) -> None:
    assert tried("{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}") == ()


def test_what_is_done_to_conversations_is_said(tried: Try) -> None:
    remarks = tried(
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ m.content }}"
        "{% endfor %}"
    )

    assert len(remarks) == 1
    assert "takes no system message" in remarks[0]


def test_tokens_that_are_not_what_they_should_be_are_said(tried: Try) -> None:
    taken, missing = tried("<|im_start|>" + WORDS + "<|eot_id|>", [])

    assert "`<|im_start|>`" in taken
    assert "`<|eot_id|>`" in missing


def test_what_it_refuses_is_said_by_name(tried: Try) -> None:
    [remark] = tried("{% if tools %}{{ raise_exception('no tools') }}{% endif %}{# <tool_call> #}" + WORDS)

    assert "refuses tools, a call of a tool and what it returned" in remark
