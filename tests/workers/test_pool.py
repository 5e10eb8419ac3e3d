"""Worker processes answer, are ended where they take too much, and are replaced."""

from __future__ import annotations

from pathlib import Path

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
        case "leave":
            os._exit(7)
"""


@pytest.fixture
def pool(tmp_path: Path) -> WorkerPool:
    module = tmp_path / "module.py"
    module.write_text(MODULE, encoding="utf-8")
    return WorkerPool(module, what="tests", probe={"do": "echo", "text": ""})


def ask(pool: WorkerPool, seconds: float = 5.0, **request: object) -> Reply:
    return pool.ask(request, seconds=seconds, most_bytes=1 << 28)


def test_one_process_answers_one_after_the_other(pool: WorkerPool) -> None:
    replies = [ask(pool, do="echo", text=text) for text in ("a", "é\n\U0001f600", "\ud800")]

    assert [reply.answer["said"] for reply in replies] == ["a", "é\n\U0001f600", "\ud800"]
    assert len({reply.answer["process"] for reply in replies}) == 1
    assert all(not reply.limit and 0 <= reply.seconds < 5 for reply in replies)


def test_what_runs_too_long_ends_with_its_process_and_another_answers(pool: WorkerPool) -> None:
    before = ask(pool, do="echo", text="").answer["process"]
    late = ask(pool, 0.2, do="run")

    assert late.limit == "it does not end within 0.2 seconds"
    assert late.seconds == 0.2
    assert not psutil.pid_exists(before)
    assert ask(pool, do="echo", text="on").answer["said"] == "on"


def test_what_takes_too_much_memory_is_refused(pool: WorkerPool) -> None:
    assert ask(pool, do="take", bytes=1 << 20).answer == {"size": 1 << 20}
    assert ask(pool, do="take", bytes=1 << 30).limit == "it takes more memory than it may"
    assert ask(pool, do="echo", text="on").answer["said"] == "on"


def test_what_fails_says_how(pool: WorkerPool) -> None:
    assert ask(pool, do="raise").limit == "it fails with BaseException: a panic"


def test_one_that_ends_itself_says_how(pool: WorkerPool) -> None:
    assert ask(pool, do="leave").limit == "its process ended with exit code 7"


def test_one_that_somebody_ended_while_it_waited_is_replaced(pool: WorkerPool) -> None:
    psutil.Process(ask(pool, do="echo", text="").answer["process"]).kill()

    assert ask(pool, do="echo", text="on").answer["said"] == "on"


def test_a_module_that_cannot_be_loaded_is_an_error_in_words(tmp_path: Path) -> None:
    pool = WorkerPool(tmp_path / "missing.py", what="tests", probe={})

    with pytest.raises(EngineError, match="process for tests could not be started"):
        ask(pool, do="echo", text="")
