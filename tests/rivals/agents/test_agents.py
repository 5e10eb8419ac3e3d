"""The real agents, each launched on a host whose model follows a script.

What comes of it is written to build/rivals/agents/results.json, from which scripts/generate_agents_matrix.py makes the
table of docs/agents.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_windows_ai.agents.known.agents import AGENTS
from codex_windows_ai.protocol.json_values import as_object
from codex_windows_ai.protocol.request import GenerationRequest
from tests.cli.program import Ran
from tests.codex_cli.live import CodexHost
from tests.rivals.agents.conftest import FOLDER, ROOT, SMALL
from tests.rivals.agents.driven import DRIVEN, TEXT, Driven
from tests.rivals.agents.place import Place

pytestmark = [pytest.mark.agents, pytest.mark.timeout(1_200)]

RESULTS = FOLDER / "results.json"
FIRST_PROMPTS = {name: agent.first_prompt for name, agent in AGENTS.items()}
each_agent = pytest.mark.parametrize("driven", DRIVEN, ids=lambda driven: driven.name)


def note(agent: str, **found: object) -> None:
    """Adds to the results of an agent."""
    results: dict[str, dict[str, object]] = {}
    if RESULTS.exists():
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    results.setdefault(agent, {}).update(found)
    RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def said(ran: Ran) -> str:
    return ran.stdout + ran.stderr


def follow(driven: Driven, file: Path, *, question: str, answer: str) -> object:
    """A model that writes the file where it is asked to and can, then says so, and answers one more question."""

    def choose(request: GenerationRequest) -> str:
        if driven.tool not in [tool.name for tool in request.tools.callable]:
            return "A title"  # agents ask for titles and summaries beside what the user asks
        text = json.dumps(request.messages, default=str)
        if question in text:
            return answer
        return "It is written." if TEXT in text or file.exists() else driven.call(file)

    return choose


@each_agent
def test_it_answers_writes_a_file_and_goes_on(driven: Driven, host: CodexHost, place: Place) -> None:
    file = place.work / "made.txt"
    host.begin(otherwise=follow(driven, file, question="And the moon?", answer="It is round."))

    wrote = place.launch(host.home, driven.name, arguments=driven.ask("Write the file."))

    assert wrote.exit_code == 0, said(wrote)
    assert file.read_text(encoding="utf-8").strip() == TEXT
    assert "It is written." in wrote.stdout
    first = max(prompt_tokens(host)[:2])
    assert first == pytest.approx(FIRST_PROMPTS.get(driven.name, first), rel=0.1), "its file in agents/known is old"
    note(driven.name, answers=True, tool=driven.tool, first_prompt=first, paths=paths(host))

    if driven.go_on is None:
        return
    went_on = place.launch(host.home, driven.name, arguments=driven.go_on("And the moon?"))

    assert went_on.exit_code == 0, said(went_on)
    assert "It is round." in went_on.stdout
    asked = [
        request for request in host.script.requests if "And the moon?" in json.dumps(request.messages, default=str)
    ]
    assert any("It is written." in json.dumps(request.messages, default=str) for request in asked)
    note(driven.name, goes_on=True)


@pytest.mark.parametrize("driven", [driven for driven in DRIVEN if driven.name != "codex"], ids=lambda one: one.name)
def test_a_prompt_that_does_not_fit_is_said_before_and_by_the_agent(
    driven: Driven, small_host: CodexHost, place: Place
) -> None:
    small_host.begin()
    refused = place.launch(small_host.home, driven.name, arguments=driven.ask("Say hello."))
    assert refused.exit_code == 2, said(refused)
    assert f"the window of tiny holds {SMALL:,}" in refused.stderr
    assert small_host.script.requests == []
    if driven.too_long is None:
        return

    ran = place.launch(small_host.home, driven.name, "--anyway", arguments=driven.ask("Say hello."))

    note(driven.name, too_long={"exit": ran.exit_code, "says": shown(ran, driven.too_long)})
    assert driven.too_long.lower() in said(ran).lower(), said(ran)


@pytest.mark.parametrize("driven", [driven for driven in DRIVEN if driven.gone], ids=lambda one: one.name)
def test_a_host_that_is_gone_ends_the_agent(driven: Driven, place: Place) -> None:
    command = [sys.executable, "-m", "tests.rivals.agents.launch_nowhere", driven.name, *driven.ask("Say hello.")]

    ran = place.run(command, PYTHONPATH=str(ROOT))

    assert driven.gone
    note(driven.name, gone={"exit": ran.exit_code, "says": shown(ran, driven.gone)})
    assert driven.gone.lower() in said(ran).lower(), said(ran)


def asked(host: CodexHost) -> list[str]:
    return [exchange.path for exchange in host.exchanges if exchange.request and exchange.path.startswith("/v1/")]


def paths(host: CodexHost) -> list[str]:
    return sorted(set(asked(host)))


def prompt_tokens(host: CodexHost) -> list[int]:
    """The tokens of each prompt that was answered, whatever the API calls them."""
    counts: list[int] = []
    for exchange in host.exchanges:
        usages = [usage for event in exchange.events if (usage := usage_of(event))]
        if usages:
            counts.append(int(usages[-1].get("prompt_tokens") or usages[-1]["input_tokens"]))
    return counts


def usage_of(event: dict[str, Any]) -> dict[str, Any]:
    """The usage that an event has, itself or in its response."""
    return as_object(event.get("usage") or as_object(event.get("response")).get("usage"))


def shown(ran: Ran, part: str) -> str:
    """The line with that part that a user reads."""
    return next((line.strip() for line in said(ran).splitlines() if part.lower() in line.lower()), "")[:200]
