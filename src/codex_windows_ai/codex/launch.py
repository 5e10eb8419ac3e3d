"""Finding and running the real Codex CLI."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from codex_windows_ai.client.proxies import around_proxies
from codex_windows_ai.discovery.record import read_record
from codex_windows_ai.errors import CodexNotFoundError

__all__ = ["codex_environment", "codex_version", "find_codex", "run_codex", "run_codex_exec"]


def find_codex() -> Path:
    """The Codex executable: the one on PATH, else the one that the `openai-codex-cli-bin` package carries.

    That package (a dependency of OpenAI's Python SDK) puts no command on PATH.

    Raises CodexNotFoundError: there is neither.
    """
    if on_path := shutil.which("codex"):
        return _program_behind(Path(on_path))
    if packaged := _packaged_codex():
        return packaged
    raise CodexNotFoundError(
        "The Codex CLI is not on this machine: no `codex` on PATH and no openai-codex-cli-bin package.",
        hint="Install it with `npm install -g @openai/codex` (or `pip install openai-codex-cli-bin` next to this "
        "program), or add --use-windows-ai to be answered by the model on this machine.",
    )


def _packaged_codex() -> Path | None:
    specification = importlib.util.find_spec("codex_cli_bin")
    if not specification or not specification.origin:
        return None
    folder = Path(specification.origin).parent / "bin"
    return next((file for name in ("codex", "codex.exe") if (file := folder / name).is_file()), None)


def _program_behind(found: Path) -> Path:
    """The program that npm's `codex.cmd` runs: a batch file would have cmd.exe interpret every argument again."""
    if found.suffix.lower() not in (".cmd", ".bat"):
        return found
    packages = found.parent / "node_modules" / "@openai"
    return next(
        (file for file in sorted(packages.rglob("codex.exe")) if file.parent.parent.parent.name == "vendor"), found
    )


def codex_version(executable: Path) -> str:
    """What `codex --version` says, such as `codex-cli 0.169.0`.

    Raises CodexNotFoundError: the file there does not run.
    """
    try:
        ran = subprocess.run(
            [executable, "--version"], capture_output=True, encoding="utf-8", errors="replace", timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise _does_not_run(executable, error) from error
    return ran.stdout.strip()


def codex_environment() -> dict[str, str]:
    """The environment of a Codex that may ask this machine's host: proxies are not between the two."""
    record = read_record()
    return around_proxies(host=urlsplit(record.url).hostname if record else None)


def run_codex_exec(prompt: str, *, model: str | None = None, as_json: bool = False) -> int:
    """Run `codex exec` on `prompt` with this process's output streams and return its exit code.

    The prompt goes through standard input: it may be longer than a command line and may start
    with a dash, and no shell wrapper (npm's `codex.cmd` on Windows) gets to interpret it.

    Raises CodexNotFoundError: there is no Codex, or it does not start.
    """
    executable = find_codex()
    options = ["--json"] if as_json else []
    if model:
        options += ["--model", model]
    return _run([str(executable), "exec", *options, "-"], prompt)


def run_codex(arguments: Sequence[str]) -> int:
    """Run Codex in this process's place: its streams, signals and exit code are Codex's own.

    Returns the exit code where the platform cannot replace a process (Windows); elsewhere it does not return.

    Raises CodexNotFoundError: there is no Codex, or it does not start.
    """
    executable = find_codex()
    command = [str(executable), *arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if sys.platform == "win32":
            return _wait_for(subprocess.Popen(command, env=codex_environment()))
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and a program inherits that
            signal.signal(number, signal.SIG_DFL)
        os.execve(executable, command, codex_environment())  # noqa: S606
    except OSError as error:
        raise _does_not_run(executable, error) from error


def _wait_for(process: subprocess.Popen[bytes]) -> int:
    """The exit code; Ctrl-C reaches the child from the console itself, and it alone decides what that means."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def _run(command: Sequence[str], prompt: str) -> int:
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=codex_environment())
    except OSError as error:
        raise _does_not_run(Path(command[0]), error) from error

    def forward(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        process.communicate(prompt.encode("utf-8"))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    # A shell reports death by signal N as 128 + N.
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _does_not_run(executable: Path, error: Exception) -> CodexNotFoundError:
    return CodexNotFoundError(
        f"The Codex CLI at {executable} does not run: {error}",
        hint="Install it again with `npm install -g @openai/codex`, or add --use-windows-ai to be answered by the "
        "model on this machine.",
    )
