"""Measured processes: whatever happens to one, the bench says so and nothing stays behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.process import Children, Worker
from codex_windows_ai.bench.sides import ours, status_quo
from codex_windows_ai.bench.sides.side import Prompt
from codex_windows_ai.errors import EngineError, NotAvailableError

pytestmark = pytest.mark.anyio

PROMPT = list(range(1000, 1040))


async def test_a_worker_that_cannot_start_says_why(children: Children, tmp_path: Path) -> None:
    with (
        Worker("broken", children, status_quo.MODULE, "pipe", str(tmp_path), "{}") as worker,
        pytest.raises(EngineError, match=r"genai_config\.json"),
    ):
        await worker.wait_until_ready()


async def test_a_worker_that_dies_fails_what_it_was_asked(real_bench: Bench) -> None:
    async with ours.engine(real_bench) as worker:
        running = worker.start("0", Prompt(PROMPT, 2000))
        worker.process.kill()
        with pytest.raises(EngineError, match="A measured process ended"):
            await running.result()
        with pytest.raises(EngineError, match="A measured process ended"):
            await worker.ask(0, Prompt(PROMPT, 1))


async def test_a_request_that_is_refused_fails_alone(real_bench: Bench) -> None:
    async with ours.engine(real_bench) as worker:
        with pytest.raises(EngineError, match="outside the vocabulary"):
            await worker.ask(0, Prompt([10**9], 1))
        assert len((await worker.ask(0, Prompt(PROMPT, 3))).tokens) == 3


@pytest.mark.parametrize("program", [[ours.MODULE, "engine"], [status_quo.MODULE, "pipe"]])
def test_a_worker_ends_when_the_bench_goes_away(program: list[str], default_model: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", *program, str(default_model), "{}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == b'{"ready": true}\n'
        # The context manager closes the pipe and waits.
    assert process.returncode == 0


def test_all_children_can_be_ended_at_once(children: Children) -> None:
    sleepers = [children.start([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(2)]

    children.end_all()

    assert not any(psutil.pid_exists(sleeper.pid) for sleeper in sleepers)
    for sleeper in sleepers:
        assert sleeper.stdin
        sleeper.stdin.close()


@pytest.mark.parametrize("settings", status_quo.SETTINGS)
async def test_both_sides_give_the_same_answers_of_exactly_the_length_asked_for(
    settings: str, real_bench: Bench
) -> None:
    question = Prompt(PROMPT, 12)
    async with (
        ours.engine(real_bench, speculating_sequences=0) as engine,
        status_quo.status_quo(real_bench, 2, settings) as baseline,
    ):
        replies = [await engine.ask(0, question), *[await baseline.ask(agent, question) for agent in (0, 1)]]
        assert [len(reply.tokens) for reply in replies] == [12, 12, 12]
        assert replies[0].tokens[:4] == replies[1].tokens[:4] == replies[2].tokens[:4]
        assert all(0 < reply.first_token <= reply.total for reply in replies)
        assert min(baseline.memory_bytes(), engine.memory_bytes()) > 20_000_000


def test_without_genai_the_baseline_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, status_quo.PACKAGE, None)

    with pytest.raises(NotAvailableError) as raised:
        status_quo.require_genai()

    assert raised.value.hint
    assert "pip install onnxruntime-genai" in raised.value.hint
