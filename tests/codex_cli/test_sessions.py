"""Whole sessions of the real Codex on the host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from codex_windows_ai.protocol.request import GenerationRequest
from tests.codex_cli.conftest import WINDOW
from tests.codex_cli.live import CodexHost
from tests.codex_cli.program import Workplace, json_lines, workplace
from tests.codex_cli.scripted import function_call
from tests.served import ServedHost

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "green", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


def test_exec_answers(place: Workplace) -> None:
    place.host.begin("Forty-two.")

    ran = place.execute("What is six times seven?")

    assert (ran.exit_code, ran.stdout) == (0, "Forty-two.\n"), ran.stderr


def test_the_real_model_keeps_to_an_output_schema_and_sessions_share_what_they_begin_with(
    served_host: ServedHost, tmp_path: Path
) -> None:
    """Nothing is scripted here: the default model answers, and Codex checks what it says."""
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(SCHEMA), encoding="utf-8")
    place, usages = workplace(served_host.home, tmp_path / "place"), []
    for session in ("first", "second"):
        ran = place.execute("--json", "--output-schema", str(schema), f"This is the {session} session. Pick a colour.")
        assert ran.exit_code == 0, ran.stderr
        *_, message, end = json_lines(ran.stdout)
        assert json.loads(message["item"]["text"])["colour"] in ("red", "green", "blue")
        usages.append(end["usage"])

    assert usages[1]["cached_input_tokens"] >= 0.8 * usages[1]["input_tokens"]


def test_a_long_conversation_crosses_compaction_and_goes_on(place: Workplace) -> None:
    limit = WINDOW * 7 // 10
    rounds = 4
    texts: list[str] = []

    def answer(request: GenerationRequest) -> str:
        last = request.messages[-1].text
        texts.append(last)
        if "CONTEXT CHECKPOINT COMPACTION" in last:
            return "The summary of what was done."
        if sum("xxxx" in text for text in texts) < rounds:
            return function_call("exec_command", cmd="printf 'x%.0s' $(seq 6000)")
        return "All done."

    place.host.begin(otherwise=answer)
    ran = place.execute("fill the window")

    assert (ran.exit_code, ran.stdout) == (0, "All done.\n"), ran.stderr
    kinds = [json.loads(asked.headers["x-codex-turn-metadata"])["request_kind"] for asked in place.host.asked]
    at = kinds.index("compaction")
    assert place.host.asked[at - 1].usage["total_tokens"] >= limit
    after = place.host.asked[at + 1]
    assert "The summary of what was done." in json.dumps(after.body["input"])
    assert after.usage["total_tokens"] < limit


def test_two_sessions_share_the_prefix(place: Workplace, tmp_path: Path) -> None:
    place.execute("The first session.")
    second = workplace(place.host.home, tmp_path / "second", place.host)
    second.execute("Another session, which asks something else.")

    usage = place.host.asked[1].usage
    assert usage["input_tokens_details"]["cached_tokens"] >= 0.8 * usage["input_tokens"]


def test_six_codex_processes_finish_on_one_host_with_one_model(shared_codex_host: CodexHost, tmp_path: Path) -> None:
    host = shared_codex_host
    host.begin()
    engine = host.engine
    places = [workplace(host.home, tmp_path / str(number), host) for number in range(6)]
    processes = [place.start(f"I am number {number}.") for number, place in enumerate(places)]
    outputs = [process.communicate() for process in processes]

    assert [process.returncode for process in processes] == [0] * 6, outputs
    assert [out for out, _ in outputs] == ["Done.\n"] * 6
    assert len({asked.headers["session-id"] for asked in host.asked}) == 6
    assert host.engine is engine


FOREIGN_ITEMS: list[dict[str, Any]] = [
    {"type": "compaction", "encrypted_content": "AAAA"},
    {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}},
    {"type": "tool_search_call", "call_id": "t1", "execution": "client", "arguments": {"query": "x"}},
    {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAAA"},
    {
        "type": "local_shell_call",
        "call_id": "s1",
        "status": "completed",
        "action": {"type": "exec", "command": ["ls"], "timeout_ms": None, "working_directory": None, "env": None},
    },
    {"type": "function_call", "name": "exec_command", "arguments": "", "call_id": "c1"},
]


def test_a_session_that_another_model_began_goes_on(place: Workplace) -> None:
    place.host.begin("The first answer.", "The second answer.")
    first = place.execute("--json", "The first question.")
    assert first.exit_code == 0, first.stderr
    [session] = [event["thread_id"] for event in json_lines(first.stdout) if event["type"] == "thread.started"]
    [rollout] = (place.codex_home / "sessions").rglob(f"*{session}.jsonl")
    last = json_lines(rollout.read_text(encoding="utf-8"))[-1]
    with rollout.open("a", encoding="utf-8") as lines:
        for ordinal, item in enumerate(FOREIGN_ITEMS, last["ordinal"] + 1):
            lines.write(json.dumps({**last, "ordinal": ordinal, "type": "response_item", "payload": item}) + "\n")

    second = place.execute("resume", session, "The second question.")

    assert (second.exit_code, second.stdout) == (0, "The second answer.\n"), second.stderr
    sent = {item.get("type") for item in place.host.asked[-1].body["input"]}
    assert {item["type"] for item in FOREIGN_ITEMS} <= sent
