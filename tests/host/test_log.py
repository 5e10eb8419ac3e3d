"""The host's log is bounded while the host runs."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_windows_ai.host import log as host_log
from codex_windows_ai.host.log import HostLog


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def logged() -> Iterator[tuple[logging.Logger, io.StringIO, Clock]]:
    """A logger, what it writes, and its clock."""
    stream, clock, logger = io.StringIO(), Clock(), logging.getLogger("tests.host.log")
    handler = HostLog(stream, clock)
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, stream, clock
    logger.removeHandler(handler)
    logger.propagate = True


def test_what_is_said_again_and_again_is_said_a_few_times_and_counted(
    logged: tuple[logging.Logger, io.StringIO, Clock],
) -> None:
    logger, stream, clock = logged
    for number in range(5000):
        logger.warning("the connection %d is odd", number)
    logger.error("something else")

    assert stream.getvalue().count("is odd") == host_log.MOST_OF_A_KIND
    assert "something else" in stream.getvalue()

    clock.now += host_log.PERIOD_SECONDS
    logger.warning("the connection %d is odd", 5000)

    assert f"{5000 - host_log.MOST_OF_A_KIND} more messages" in stream.getvalue()
    assert "the connection 5000 is odd" in stream.getvalue()


def test_texts_that_all_differ_are_bounded_too(logged: tuple[logging.Logger, io.StringIO, Clock]) -> None:
    logger, stream, _ = logged
    for number in range(5000):
        logger.error(f"{number} {'x' * 200}", exc_info=ValueError("odd"))

    assert len(stream.getvalue()) < host_log.MOST_RECORDS * 1000


CHATTER = """
import logging, sys
from pathlib import Path
from codex_windows_ai.host import log
host_log = log.HostLog()
host_log.move_to(Path(sys.argv[1]))
logging.getLogger().addHandler(host_log)
print("x" * (3 * log.MOST_BYTES), file=sys.stderr)  # what no logger sees, such as a library's own complaints
print("the last line", flush=True)
logging.getLogger().warning("the end")
"""


def test_the_file_stays_small_whoever_writes_to_it(tmp_path: Path) -> None:
    file = tmp_path / "host.log"
    file.write_text("from before\n", encoding="utf-8")

    ran = subprocess.run(
        [sys.executable, "-c", CHATTER, str(file)], capture_output=True, encoding="utf-8", check=True, timeout=60
    )

    assert (ran.stdout, ran.stderr) == ("", "")
    assert file.stat().st_size < host_log.MOST_BYTES
    assert file.read_text(encoding="utf-8").splitlines()[-2] == "the last line"
    assert file.read_text(encoding="utf-8").endswith("the end\n")


def test_without_a_place_for_the_log_the_host_goes_on(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", CHATTER, str(tmp_path / "absent" / "host.log")], check=False)

    assert ran.returncode == 0
