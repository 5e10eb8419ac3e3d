"""Starts an agent on the host's model, for one run, and returns its exit code."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from codex_windows_ai.agents.agent import Agent, Configuration, HostModel
from codex_windows_ai.client.proxies import around_proxies
from codex_windows_ai.errors import NotAvailableError

__all__ = ["find_program", "launch"]

_SHIM_TARGET = re.compile(r'"%dp0%\\([^"]+)"')
_FORWARDED = tuple(number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None)


def launch(agent: Agent, model: HostModel, arguments: Sequence[str]) -> int:
    """Runs the agent with the user's arguments in this terminal; its exit code, 128 + N where signal N ended it.

    Raises NotAvailableError: it is not here, or does not start.
    """
    program = find_program(agent)
    with tempfile.TemporaryDirectory(prefix="cwai-launch-") as folder:  # only its user may look into it
        configuration = agent.configure(model, Path(folder))
        command = [*program, *configuration.arguments, *arguments]
        return _run(agent, command, environment_of(configuration, model.url))


def find_program(agent: Agent) -> list[str]:
    """What starts the agent: its program on PATH, behind what interprets it where that is one of npm's on Windows.

    Raises NotAvailableError: it is not there.
    """
    found = shutil.which(agent.program)
    if found is None:
        raise NotAvailableError(
            f"{agent.title} is not on this machine: no `{agent.program}` on PATH.",
            hint=f"Install it with `{agent.install}`.",
        )
    return _behind_batch_file(Path(found))


def _behind_batch_file(found: Path) -> list[str]:
    """The program that npm's `NAME.cmd` runs: a batch file would have cmd.exe interpret every argument again."""
    if found.suffix.lower() not in (".cmd", ".bat"):
        return [str(found)]
    targets = _SHIM_TARGET.findall(found.read_text(encoding="utf-8", errors="replace"))
    if not targets:
        return [str(found)]
    target = found.parent.joinpath(*targets[-1].split("\\"))
    return [str(target)] if target.suffix.lower() == ".exe" else [shutil.which("node") or "node", str(target)]


def environment_of(configuration: Configuration, url: str, users: Mapping[str, str] | None = None) -> dict[str, str]:
    """The agent's environment: the user's own, without what leads elsewhere, with the host's out of proxies."""
    users = os.environ if users is None else users
    kept = {name: value for name, value in users.items() if name not in configuration.without}
    return around_proxies(kept, host=urlsplit(url).hostname) | dict(configuration.environment)


def _run(agent: Agent, command: Sequence[str], environment: Mapping[str, str]) -> int:
    with _signals() as runs:
        try:
            process = subprocess.Popen(command, env=environment)
        except OSError as error:
            raise NotAvailableError(
                f"{agent.title} at {command[0]} does not run: {error}",
                hint=f"Install it again with `{agent.install}`.",
            ) from error
        with process:
            runs(process)
            code = process.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _signals() -> Generator[Callable[[subprocess.Popen[bytes]], None]]:
    """The agent alone decides what a signal means: Ctrl-C reaches it from the terminal, the others are passed on.

    What is given is called with the agent's process once it runs: what came before that is passed on then.
    """
    processes: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def leave(number: int, frame: FrameType | None) -> None:
        """A handler and not SIG_IGN, which a program would inherit."""

    def forward(number: int, frame: FrameType | None) -> None:
        if processes:
            processes[0].send_signal(number)
        else:
            early.append(number)

    def runs(process: subprocess.Popen[bytes]) -> None:
        processes.append(process)
        for number in early:
            process.send_signal(number)

    handlers = {signal.SIGINT: leave, **dict.fromkeys(_FORWARDED, forward)}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield runs
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
