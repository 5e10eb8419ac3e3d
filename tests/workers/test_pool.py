"""Worker processes answer, are ended where they take too much, and are replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from codex_windows_ai.errors import EngineError
from codex_windows_ai.workers.pool import Reply, WorkerPool

MODULE = """
import json, os

def answer(request):
    asked = json.loads(request)
    match asked["do"]:
        case "echo":
            return json.dumps({"said": asked["text"], "process": os.getpid()}).encode()
        case "run":
            while True:
                pass
        case "take":
            return json.dumps({"size": len(bytearray(asked["bytes"]))}).encode()
        case "raise":
            raise BaseException("a panic")
        case "refuse":
            error = ValueError("it is too much")
            error.limit = "it is more than three"
            raise error
        case "size":
            return json.dumps(len(request)).encode()
        case "leave":
            os._exit(7)
"""
PROBE = b'{"do": "echo", "text": ""}'


@pytest.fixture
def pool(tmp_path: Path) -> WorkerPool:
    module = tmp_path / "module.py"
    module.write_text(MODULE, encoding="utf-8")
    return WorkerPool(module, what="tests", probe=PROBE)


def ask(pool: WorkerPool, seconds: float = 5.0, **request: object) -> Reply:
    return pool.ask(json.dumps(request).encode(), seconds=seconds, most_bytes=1 << 28)


def said(pool: WorkerPool, **request: object) -> Any:
    """What is answered to a request that takes not too much."""
    reply = ask(pool, **request)
    assert not reply.limit
    return json.loads(reply.answer)


def test_one_process_answers_one_after_the_other(pool: WorkerPool) -> None:
    replies = [ask(pool, do="echo", text=text) for text in ("a", "é\n\U0001f600", "\ud800")]
    answers = [json.loads(reply.answer) for reply in replies]

    assert [answer["said"] for answer in answers] == ["a", "é\n\U0001f600", "\ud800"]
    assert len({answer["process"] for answer in answers}) == 1
    assert all(not reply.limit and 0 <= reply.seconds < 5 for reply in replies)


def test_a_request_may_come_in_pieces_and_hold_any_bytes(pool: WorkerPool) -> None:
    pieces = (b'{"do": "size"\n', b" \n" * 1_000_000, b"}")

    assert json.loads(pool.ask(*pieces, seconds=5.0, most_bytes=1 << 28).answer) == sum(map(len, pieces))


@pytest.mark.parametrize("background", [True, False])
def test_in_the_background_it_leaves_the_processors_to_others(tmp_path: Path, background: bool) -> None:
    module = tmp_path / "module.py"
    module.write_text(MODULE, encoding="utf-8")
    worker = said(WorkerPool(module, what="tests", probe=PROBE, background=background), do="echo", text="")["process"]

    assert (psutil.Process(worker).nice() != psutil.Process().nice()) == background


def test_what_runs_too_long_ends_with_its_process_and_another_answers(pool: WorkerPool) -> None:
    before = said(pool, do="echo", text="")["process"]
    late = ask(pool, 0.2, do="run")

    assert late.limit == "it does not end within 0.2 seconds"
    assert late.seconds == 0.2
    assert not psutil.pid_exists(before)
    assert said(pool, do="echo", text="on")["said"] == "on"


def test_what_takes_too_much_memory_is_refused(pool: WorkerPool) -> None:
    assert said(pool, do="take", bytes=1 << 20) == {"size": 1 << 20}
    assert ask(pool, do="take", bytes=1 << 30).limit == "it takes more memory than it may"
    assert said(pool, do="echo", text="on")["said"] == "on"


def test_what_fails_says_how(pool: WorkerPool) -> None:
    assert ask(pool, do="raise").limit == "it fails with BaseException: a panic"
    assert ask(pool, do="refuse").limit == "it is more than three"


def test_one_that_ends_itself_says_how(pool: WorkerPool) -> None:
    assert ask(pool, do="leave").limit == "its process ended with exit code 7"


def test_one_that_somebody_ended_while_it_waited_is_replaced(pool: WorkerPool) -> None:
    psutil.Process(said(pool, do="echo", text="")["process"]).kill()

    assert said(pool, do="echo", text="on")["said"] == "on"


def test_a_module_that_cannot_be_loaded_is_an_error_in_words(tmp_path: Path) -> None:
    pool = WorkerPool(tmp_path / "missing.py", what="tests", probe=b"{}")

    with pytest.raises(EngineError, match="process for tests could not be started"):
        ask(pool, do="echo", text="")
