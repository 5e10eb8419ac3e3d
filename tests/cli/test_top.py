"""`cwai top`, on a host of its own: once, as JSON, as a link, and alive in a terminal."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.cli.program import COMMAND, cwai, environment_with
from tests.engine.tiny_model import make_tiny_model
from tests.served import PATIENCE, ServedHost, make_home, serving

AGENTS = ("review", "a-very-long-name-of-an-agent", "[red]markup[/red]")


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny")).path


@pytest.fixture(scope="module")
def host(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedHost]:
    """A host that some agents have asked."""
    with serving(make_home(tmp_path_factory.mktemp("top") / "home", tiny_model)) as host:
        body = {"model": "tiny", "messages": [{"role": "user", "content": "hello " * 12}], "max_tokens": 8}
        for agent in AGENTS:
            headers = host.headers | {"session-id": agent}
            answer = httpx2.post(f"{host.url}/v1/chat/completions", json=body, headers=headers, timeout=PATIENCE)
            answer.raise_for_status()
        yield host


def test_json_has_the_figures_of_every_agent_and_of_the_host(host: ServedHost) -> None:
    ran = cwai("top", "--json", home=host.home)

    figures = json.loads(ran.stdout)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert (figures["schema_version"], figures["state"], figures["models"]) == (1, "ready", ["tiny"])
    assert figures["pid"] == host.process.pid
    assert len(figures["agents"]) == len(AGENTS)
    review = next(agent for agent in figures["agents"] if agent["name"] == "review")
    assert review["requests"] == {"waiting": 0, "running": 0, "finished": 1, "failed": 0, "cancelled": 0}
    assert review["tokens"]["output"] == 8
    assert figures["engine"]["requests"]["finished"] == len(AGENTS)
    assert {"recent", "mean"} == figures["engine"]["batch_occupancy"].keys()
    assert figures["answers"]["refused"][0]["reason"]


@pytest.mark.parametrize("arguments", [["--once"], []], ids=["once", "into a pipe"])
def test_once_prints_what_a_person_reads(arguments: list[str], host: ServedHost) -> None:
    ran = cwai("top", *arguments, home=host.home, environment={"COLUMNS": "120"})

    assert (ran.exit_code, ran.stderr) == (0, "")
    lines = [line.rstrip() for line in ran.stdout.splitlines()]
    assert lines[0].startswith(f"state     ready, process {host.process.pid}, up ")
    assert "answers   tiny by engine (CPUExecutionProvider)" in lines
    assert next(line for line in lines if line.startswith("review")).split()[:3] == ["review", "0", "0"]
    assert any(line.startswith(AGENTS[2]) for line in lines)
    assert any(line.startswith("engine:gpu") for line in lines)
    assert "\x1b" not in ran.stdout
    assert host.token not in ran.stdout


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_it_fits_the_terminal_and_no_figure_is_cut(columns: int, host: ServedHost) -> None:
    lines = cwai("top", "--once", home=host.home, environment={"COLUMNS": str(columns)}).stdout.splitlines()

    assert max(map(len, lines)) <= columns
    assert next(line for line in lines if "running" in line and "queued" in line)
    header = next(line for line in lines if line.startswith("agent"))
    assert header.split()[:4] == ["agent", "running", "queued", "tokens/s"]
    assert "output tokens" in header or columns < 120


@pytest.mark.parametrize("arguments", [[], ["--once"], ["--json"], ["--web"]])
def test_without_a_host_it_ends_with_5_and_says_so(arguments: list[str], tmp_path: Path) -> None:
    ran = cwai("top", *arguments, home=tmp_path)

    assert ran.exit_code == 5
    assert "No host runs." in ran.stderr
    assert "--json" not in arguments or json.loads(ran.stdout)["error"]["code"] == "host_unreachable"


def test_the_link_opens_the_statistics_once_and_does_not_hold_the_token(host: ServedHost) -> None:
    ran = cwai("top", "--web", home=host.home)
    url, _, code = ran.stdout.strip().partition("#code=")

    assert (ran.exit_code, url) == (0, f"{host.url}/")
    assert "works once" in ran.stderr
    assert host.token not in ran.stdout

    def redeem() -> httpx2.Response:
        return httpx2.post(f"{url}view/tokens", headers={"authorization": f"Bearer {code}"})

    token = redeem().raise_for_status().json()["token"]
    assert redeem().status_code == 401
    assert httpx2.get(f"{url}statistics", headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_the_link_comes_as_json_too(host: ServedHost) -> None:
    document = json.loads(cwai("top", "--web", "--json", home=host.home).stdout)

    assert document["url"].startswith(f"{host.url}/#code=")
    assert document["seconds"] > 0


if sys.platform != "win32":
    import fcntl
    import pty
    import termios

    @contextmanager
    def in_terminal(home: Path, columns: int) -> Generator[tuple[subprocess.Popen[bytes], int]]:
        """`cwai top` in a terminal of its own, and the descriptor that shows what it writes there."""
        ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environment = {"TERM": "xterm-256color"}
        with subprocess.Popen(
            [*COMMAND, "top"],
            stdin=its,
            stdout=its,
            stderr=subprocess.PIPE,
            env={name: value for name, value in environment_with(home, environment).items() if name != "COLUMNS"},
            start_new_session=True,
        ) as process:
            os.close(its)
            try:
                yield process, ours
            finally:
                process.kill()
                os.close(ours)

    def read_until(descriptor: int, wanted: bytes) -> bytes:
        """What was written up to and with `wanted`, or to the end where that is empty."""
        read = b""
        while not wanted or wanted not in read:
            try:
                piece = os.read(descriptor, 65536)
            except OSError:  # how Linux says that nobody has the terminal open any more
                piece = b""
            if not piece:
                assert not wanted, read
                break
            read += piece
        return read

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_in_a_terminal_it_goes_on_until_it_is_interrupted(number: signal.Signals, host: ServedHost) -> None:
        with in_terminal(host.home, 100) as (process, screen):
            for _ in range(2):  # drawn, and drawn again
                read_until(screen, b"review")
            process.send_signal(number)
            rest = read_until(screen, b"")
            assert process.wait() == 130

        assert b"\x1b[?1049l" in rest  # what was on the screen before is there again,
        assert b"\x1b[?25h" in rest  # and so is the cursor

    def test_when_the_host_ends_it_ends_with_5_and_says_so(tiny_model: Path, tmp_path: Path) -> None:
        home = make_home(tmp_path / "home", tiny_model)
        with serving(home) as host, in_terminal(home, 100) as (process, screen):
            read_until(screen, b"no agent")
            host.process.kill()
            rest = read_until(screen, b"")
            assert process.stderr
            assert b"does not answer" in process.stderr.read()
            assert process.wait() == 5

        assert b"\x1b[?1049l" in rest
