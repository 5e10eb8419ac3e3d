"""Conversations that a template refuses as they are: brought into the form that it takes, the same at every turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codex_windows_ai.chat.template import ChatTemplate
from codex_windows_ai.chat.turns import TurnForm
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import InvalidRequestError

LoadTemplate = Callable[[str], ChatTemplate]
BODY = "<{{ m.role }}>{{ m.content }}|"
ALTERNATES = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}" + BODY + "{% endfor %}"
)
# As Mistral's: a system message first, then user and assistant in turns.
MISTRAL = (
    "{% if messages[0].role == 'system' %}<system>{{ messages[0].content }}|{% set rest = messages[1:] %}"
    "{% else %}{% set rest = messages %}{% endif %}"
    "{% for m in rest %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}" + BODY + "{% endfor %}"
)
# As Llama 2's and Gemma 3's: the system message is written with what the user says first.
IN_USERS = (
    "{% set system = messages[0].content if messages[0].role == 'system' else none %}"
    "{% for m in (messages[1:] if system else messages) %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "<{{ m.role }}>{{ '[' + system + ']' if loop.first and system }}{{ m.content }}|{% endfor %}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + BODY
) + "{% endfor %}"
SILENT = "{% for m in messages %}{% if m.role in ['user', 'assistant'] %}" + BODY + "{% endif %}{% endfor %}"
FIRST = (
    "{% for m in messages %}{% if m.role == 'system' and not loop.first %}"
    "{{ raise_exception('system must be first') }}{% endif %}" + BODY + "{% endfor %}"
)
# As Mistral Nemo's: the system message is written with the last turn, where that is the user's.
IN_THE_LAST = (
    "{% set rest = messages[1:] if messages[0].role == 'system' else messages %}{% for m in rest %}<{{ m.role }}>"
    "{{ messages[0].content if loop.last and m.role == 'user' and messages[0].role == 'system' }}{{ m.content }}|"
    "{% endfor %}"
)
ANY = "{% for m in messages %}" + BODY + "{% endfor %}"
TEMPLATES = [ANY, IN_THE_LAST, ALTERNATES, MISTRAL, IN_USERS, NO_SYSTEM, SILENT, FIRST]
ROLES = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}


@pytest.fixture(scope="module")
def load(default_model: Path, tmp_path_factory: pytest.TempPathFactory) -> LoadTemplate:
    """A template of the test's own, loaded once."""
    loaded: dict[str, ChatTemplate] = {}

    def load_once(source: str) -> ChatTemplate:
        if source not in loaded:
            folder = tmp_path_factory.mktemp("template")
            (folder / "tokenizer_config.json").write_text("{}", encoding="utf-8")
            (folder / "chat_template.jinja").write_text(source, encoding="utf-8")
            loaded[source] = ChatTemplate(folder, Tokenizer(default_model / "tokenizer.json"))
        return loaded[source]

    return load_once


def turns(roles: str) -> list[dict[str, Any]]:
    return [{"role": ROLES[role], "content": f"{role}{n}"} for n, role in enumerate(roles)]


def rendered(template: ChatTemplate, tokenizer: Tokenizer, conversation: Sequence[dict[str, Any]]) -> str:
    return b"".join(tokenizer.token_bytes[token] for token in template.encode(conversation)).decode()


@pytest.mark.parametrize(
    ("source", "roles", "expected"),
    [
        (ANY, "ssuusa", "<system>s0|<system>s1|<user>u2|<user>u3|<system>s4|<assistant>a5|"),
        (ALTERNATES, "uu", "<user>u0\n\nu1|"),
        (ALTERNATES, "uaauu", "<user>u0|<assistant>a1\n\na2|<user>u3\n\nu4|"),
        (ALTERNATES, "suau", "<user>s0\n\nu1|<assistant>a2|<user>u3|"),
        (ALTERNATES, "au", "<user>|<assistant>a0|<user>u1|"),
        (MISTRAL, "suasu", "<system>s0|<user>u1|<assistant>a2|<user>s3\n\nu4|"),
        (MISTRAL, "suus", "<system>s0|<user>u1\n\nu2\n\ns3|"),
        (IN_USERS, "su", "<user>[s0]u1|"),
        (IN_USERS, "s", "<user>s0|"),
        (IN_USERS, "ss", "<user>[s0]s1|"),
        (IN_USERS, "sau", "<user>s0|<assistant>a1|<user>u2|"),
        (NO_SYSTEM, "su", "<user>s0\n\nu1|"),
        (NO_SYSTEM, "suasu", "<user>s0\n\nu1|<assistant>a2|<user>s3\n\nu4|"),
        (NO_SYSTEM, "s", "<user>s0|"),
        (SILENT, "su", "<user>s0\n\nu1|"),
        (SILENT, "uu", "<user>u0|<user>u1|"),
        (FIRST, "suasu", "<system>s0|<user>u1|<assistant>a2|<user>s3\n\nu4|"),
        (FIRST, "uu", "<user>u0|<user>u1|"),
    ],
)
def test_a_template_gets_the_turns_that_it_takes(
    load: LoadTemplate, tokenizer: Tokenizer, source: str, roles: str, expected: str
) -> None:
    assert rendered(load(source), tokenizer, turns(roles)) == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (ANY, []),
        (SILENT, ["takes no system message"]),
        (FIRST, ["at the beginning only"]),
        (NO_SYSTEM, ["takes no system message"]),
        (MISTRAL, ["at the beginning only", "alternate", "user first"]),
        (ALTERNATES, ["takes no system message", "alternate", "user first"]),
        (IN_USERS, ["at the beginning only", "with a user's only", "alternate", "user first"]),
    ],
)
def test_what_is_done_is_remarked(load: LoadTemplate, source: str, words: list[str]) -> None:
    remarks = load(source).remarks

    assert len(remarks) == len(words)
    assert all(word in remark for word, remark in zip(words, remarks, strict=True))


@given(st.sampled_from(TEMPLATES), st.text("sua", min_size=1, max_size=9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_words_are_lost_and_none_change_places(
    load: LoadTemplate, tokenizer: Tokenizer, source: str, roles: str
) -> None:
    conversation = turns(roles)

    text = rendered(load(source), tokenizer, conversation)

    places = [text.index(turn["content"]) for turn in conversation]
    assert places == sorted(places)


@given(st.sampled_from(TEMPLATES), st.text("su", max_size=2), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_turns_prompt_begins_with_the_one_before_whatever_the_template_takes(
    load: LoadTemplate, tokenizer: Tokenizer, source: str, start: str, data: st.DataObject
) -> None:
    # What the prefix cache lives on: an agent adds what it heard, then system messages and the user's next words.
    roles = start + "u"
    before = rendered(load(source), tokenizer, turns(roles))
    for _ in range(3):
        roles += "a" + data.draw(st.sampled_from(["u", "su", "us", "uu"]))
        text = rendered(load(source), tokenizer, turns(roles))
        assert text.startswith(before)
        before = text


def test_a_reason_that_no_form_mends_is_the_templates_own(load: LoadTemplate) -> None:
    template = load(ALTERNATES + "{% if 'x' in messages[0].content %}{{ raise_exception('no x') }}{% endif %}")

    with pytest.raises(InvalidRequestError, match="no x"):
        template.encode([{"role": "user", "content": "x"}])


def test_a_template_that_refuses_one_conversation_gets_a_stricter_form_of_it(
    load: LoadTemplate, tokenizer: Tokenizer
) -> None:
    template = load(
        "{% if messages | selectattr('role', 'equalto', 'user') | list | length == 0 %}"
        "{{ raise_exception('No user query found') }}{% endif %}" + ANY
    )

    assert rendered(template, tokenizer, turns("s")) == "<user>s0|"
    assert rendered(template, tokenizer, turns("su")) == "<system>s0|<user>u1|"


def test_turns_with_more_than_words_are_left_as_they_are() -> None:
    call = {"role": "assistant", "content": "I look.", "tool_calls": [{"name": "read"}]}
    conversation = [*turns("u"), call, *turns("tt"), {"role": "user", "content": [{"type": "text", "text": "x"}]}]

    assert TurnForm("never", neighbours=False).apply([*conversation, *turns("u")]) == [*conversation, *turns("u")]


def test_tens_of_thousands_of_neighbours_are_joined() -> None:
    [turn] = TurnForm("never", neighbours=False).apply([{"role": "user", "content": "x" * 200}] * 60_000)

    assert len(turn["content"]) == 60_000 * 202 - 2
