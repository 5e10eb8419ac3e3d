"""How it ends: calls under way when the client closes its end, and clients that are gone."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import COMMAND, environment_with
from tests.client.mcp.conftest import PipedClient
from tests.host.live import LiveHost
from tests.mcp.conftest import held_engine, wait_until

LONG: dict[str, Any] = {"name": "generate", "arguments": {"prompt": "the", "max_output_tokens": 400}}
SHORT: dict[str, Any] = {"name": "generate", "arguments": {"prompt": "the", "max_output_tokens": 2}}


def test_calls_under_way_at_the_end_of_input_are_answered_with_an_error_each(
    piped: PipedClient, live_host: LiveHost
) -> None:
    before = live_host.engine.statistics().cancelled
    piped.shake_hands()
    with held_engine(live_host) as waiting:
        for request_id in (1, "two", 3):
            piped.say(id=request_id, method="tools/call", params=LONG)
        wait_until(lambda: waiting() >= 3)
        piped.say(method="notifications/cancelled", params={"requestId": 3})
        answers = {answer["id"]: answer["error"] for answer in piped.rest()}
    assert set(answers) == {1, "two"}
    for error in answers.values():
        assert error["data"] == {"code": "cancelled"}
        assert "closed standard input" in error["message"]
    wait_until(lambda: live_host.engine.statistics().cancelled == before + 3)


def test_a_request_on_the_last_line_is_answered(piped: PipedClient) -> None:
    piped.shake_hands()
    piped.say(id=1, method="tools/call", params={"name": "gpu_stats"})
    assert [("result" in answer, answer["id"]) for answer in piped.rest()] == [(True, 1)]


def test_when_nobody_listens_any_more_what_runs_is_cancelled(piped: PipedClient, live_host: LiveHost) -> None:
    before = live_host.engine.statistics().cancelled
    piped.shake_hands()
    with held_engine(live_host) as waiting:
        piped.say(id=1, method="tools/call", params=LONG)
        wait_until(lambda: waiting() >= 1)
        piped.stop_listening()
        piped.say(id=2, method="tools/list")
        wait_until(lambda: waiting() >= 2)
    wait_until(lambda: live_host.engine.statistics().cancelled == before + 1)


@pytest.mark.parametrize("lines", [b"not a message\n" * 3, b"not a message\n" * 5000], ids=["a few", "many"])
def test_a_client_that_is_gone_ends_it_quietly(tmp_path: Path, lines: bytes) -> None:
    with subprocess.Popen(
        [*COMMAND, "mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment_with(tmp_path / "home"),
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        try:
            process.stdin.write(lines)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended already
        assert process.stderr.read() == b""
        assert process.wait() == 0
