"""Measured processes: whatever happens to one, the bench says so and nothing stays behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from codex_windows_ai.bench import engine_worker, status_quo, status_quo_worker
from codex_windows_ai.bench.ours import Ours
from codex_windows_ai.bench.process import Children, Worker
from codex_windows_ai.bench.status_quo import SETTINGS, StatusQuo
from codex_windows_ai.errors import EngineError, NotAvailableError
from codex_windows_ai.models.folder import read_model_folder

PROMPT = list(range(1000, 1040))


def test_a_worker_that_cannot_start_says_why(children: Children, tmp_path: Path) -> None:
    worker = Worker(children, status_quo.MODULE, str(tmp_path), "{}")
    try:
        with pytest.raises(EngineError, match=r"genai_config\.json"):
            worker.wait_until_ready()
    finally:
        worker.close()


def test_a_worker_that_dies_fails_what_it_was_asked(children: Children, default_model: Path) -> None:
    ours = Ours(children, read_model_folder(default_model))
    try:
        running = ours.worker.start(PROMPT, 2000, agent="0")
        ours.worker.process.kill()
        with pytest.raises(EngineError, match="A measured process ended"):
            running.result()
        with pytest.raises(EngineError, match="A measured process ended"):
            ours.generate(0, PROMPT, 1)
    finally:
        ours.close()


def test_a_request_that_is_refused_fails_alone(children: Children, default_model: Path) -> None:
    ours = Ours(children, read_model_folder(default_model))
    try:
        with pytest.raises(EngineError, match="outside the vocabulary"):
            ours.generate(0, [10**9], 1)
        assert len(ours.generate(0, PROMPT, 3).tokens) == 3
    finally:
        ours.close()


@pytest.mark.parametrize("module", [engine_worker, status_quo_worker])
def test_a_worker_ends_when_the_bench_goes_away(module: object, default_model: Path) -> None:
    name = getattr(module, "__name__")  # noqa: B009
    process = subprocess.Popen(
        [sys.executable, "-m", name, str(default_model), "{}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
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


@pytest.mark.parametrize("settings", SETTINGS)
def test_both_sides_give_the_same_answers_of_exactly_the_length_asked_for(
    settings: str, children: Children, default_model: Path
) -> None:
    folder = read_model_folder(default_model)
    ours, baseline = Ours(children, folder, speculating_sequences=0), StatusQuo(children, folder, 2, settings)
    try:
        replies = [ours.generate(0, PROMPT, 12), *(baseline.generate(agent, PROMPT, 12) for agent in (0, 1))]
        assert [len(reply.tokens) for reply in replies] == [12, 12, 12]
        assert replies[0].tokens[:4] == replies[1].tokens[:4] == replies[2].tokens[:4]
        assert all(0 < reply.first_token <= reply.total for reply in replies)
        assert min(baseline.memory_bytes(), ours.memory_bytes()) > 50_000_000
    finally:
        ours.close()
        baseline.close()


def test_without_genai_the_baseline_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, status_quo.PACKAGE, None)

    with pytest.raises(NotAvailableError) as raised:
        status_quo.require_genai()

    assert raised.value.hint
    assert "pip install onnxruntime-genai" in raised.value.hint
