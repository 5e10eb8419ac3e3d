"""A thinking model behind the real Codex and `cwai exec`: its thoughts apart from its answer, and kept in a turn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from codex_windows_ai.protocol.message import Reasoning
from tests.cli.program import cwai
from tests.codex_cli.conftest import WINDOW
from tests.codex_cli.live import CodexHost
from tests.codex_cli.program import json_lines, workplace
from tests.codex_cli.scripted import function_call
from tests.thinking_model import Script, ScriptedRuntime, make_thinking_model

THOUGHT, ANSWER = "Six times seven\nis known.", "Forty-two."
SAID = f"<think>\n{THOUGHT}\n</think>\n\n"


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
def thinking_host(tmp_path_factory: pytest.TempPathFactory, script: Script) -> Iterator[CodexHost]:
    folder = tmp_path_factory.mktemp("thinking")
    model = make_thinking_model(folder, context=WINDOW)
    with CodexHost(model.path, folder / "home", partial(ScriptedRuntime, script=script)) as host:
        yield host


def test_codex_shows_the_thought_and_sends_it_back_within_the_turn(
    thinking_host: CodexHost, script: Script, tmp_path: Path
) -> None:
    place = workplace(thinking_host.home, tmp_path, thinking_host)
    thinking_host.begin()
    script.answers += [SAID + function_call("exec_command", cmd="echo 42"), SAID + ANSWER]
    ran = place.execute("--json", "What is six times seven?")

    assert ran.exit_code == 0, ran.stderr
    items = [line["item"] for line in json_lines(ran.stdout) if line["type"] == "item.completed"]
    assert [item["type"] for item in items] == ["reasoning", "command_execution", "reasoning", "agent_message"]
    assert (items[0]["text"], items[-1]["text"]) == (THOUGHT, ANSWER)
    first, second = thinking_host.asked
    assert second.usage["input_tokens_details"]["cached_tokens"] >= first.usage["total_tokens"] - 16
    assert first.usage["output_tokens_details"]["reasoning_tokens"] > 0
    thoughts = [part for message in script.requests[-1].messages for part in message.parts]
    assert Reasoning(THOUGHT) in thoughts


def test_exec_answers_without_the_thought_and_shows_it_where_that_is_asked(
    thinking_host: CodexHost, script: Script
) -> None:
    script.answers += 3 * [SAID + ANSWER]
    plain, shown, as_json = (
        cwai("exec", "--use-windows-ai", *flags, "6 * 7?", home=thinking_host.home)
        for flags in ((), ("--show-thinking",), ("--json",))
    )

    assert plain.stdout == shown.stdout == f"{ANSWER}\n"
    assert "known" not in plain.stderr
    assert " of them thought" in plain.stderr
    assert f"cwai: it thinks:\n{THOUGHT}\n" in shown.stderr
    document = json.loads(as_json.stdout)
    assert (document["text"], document["reasoning"]) == (ANSWER, THOUGHT)
    assert document["usage"]["reasoning_tokens"] > 0


def test_the_models_abilities_say_that_it_thinks(thinking_host: CodexHost, tmp_path: Path) -> None:
    added = cwai("models", "add", str(thinking_host.model), "--name", "thinker", home=tmp_path)
    assert added.exit_code == 0, added.stderr
    words, as_json = (cwai("models", "show", "thinker", *flag, home=tmp_path) for flag in ((), ("--json",)))

    assert "thinks:       can be switched off; what was thought is kept until the user speaks\n" in words.stdout
    assert "efforts:      none, medium\n" in words.stdout
    assert json.loads(as_json.stdout)["model"]["reasoning"]["switch"] == "enable_thinking"
