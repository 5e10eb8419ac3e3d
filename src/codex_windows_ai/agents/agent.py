"""What is known of a coding agent, and what makes it ask this machine's host for one run.

Nothing here touches a user's own configuration: an agent is told by its environment, by arguments before the user's
own, and by files in a folder that goes when the agent ends.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codex_windows_ai.settings import ENVIRONMENT_PREFIX

PROVIDER = "windows-ai"
"""What the host is called where an agent names who serves its models."""

KEY_VARIABLE = "WINDOWS_AI_TOKEN"
"""The host's token in an agent's environment, for configurations that name a variable: no file then has it."""

_MOST_OUTPUT = 8_192
_LEAST_OUTPUT = 256


@dataclass(frozen=True, slots=True)
class HostModel:
    """The model that answers: the host's address (`http://127.0.0.1:PORT`) and token, its name, its window in tokens.

    `output` is how many tokens an answer may have: half of what an agent's first prompt leaves of the window.
    `token_file` is where the token lies.
    """

    url: str
    token: str
    name: str
    window: int
    output: int
    token_file: str = ""

    @property
    def openai(self) -> str:
        """The address of OpenAI's API."""
        return f"{self.url}/v1"


@dataclass(frozen=True, slots=True)
class Configuration:
    """How an agent is started: what its environment has besides the user's, and what comes before his arguments.

    `without` are variables of the user's that would lead it to another provider.
    """

    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    arguments: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lasting:
    """What a user's own configuration gets so that he can choose the host's model whenever he starts the agent himself.

    `value` is a whole file of ours, or with `entry` (an object's name, our name in it) a part of one of his; all else
    stays as it is. `start` is the command that takes it. No token is in it: the agent is told where it finds that.
    """

    file: Path
    value: Mapping[str, Any]
    start: str
    entry: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Smaller:
    """An agent's own way to a shorter first prompt: its option, and the tokens that are left."""

    option: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Agent:
    """A coding agent: what the user calls it, its program, and what installs it.

    `first_prompt` is what it sends before the user has said more than a line, in tokens of a common tokenizer
    (docs/agents.md says how they were counted). `configure` may write files into the folder that it is given. `lasting`
    is for those whose own configuration can name a provider without a secret.
    """

    name: str
    title: str
    program: str
    package: str
    first_prompt: int
    configure: Callable[[HostModel, Path], Configuration]
    smaller: Smaller | None = None
    lasting: Callable[[HostModel], Lasting] | None = None

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"npm install -g {self.package}"

    def prompt_tokens(self, arguments: Sequence[str] = ()) -> int:
        """The tokens of its first prompt, started with these arguments."""
        smaller = self.smaller
        return smaller.tokens if smaller and smaller.option in arguments else self.first_prompt

    def output_tokens(self, window: int, arguments: Sequence[str] = ()) -> int:
        """How many tokens an answer may have in a window: half of what the first prompt leaves, within bounds."""
        return max(_LEAST_OUTPUT, min(_MOST_OUTPUT, (window - self.prompt_tokens(arguments)) // 2))

    def needed_window(self, arguments: Sequence[str] = ()) -> int:
        """The smallest window, in tokens, in which it can begin."""
        return self.prompt_tokens(arguments) + _LEAST_OUTPUT


def write_json_file(path: Path, value: object) -> Path:
    """Writes a file of configuration; only its user may read it."""
    path.touch(0o600)
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
    return path


def token_command() -> str:
    """A line for the platform's shell that prints the host's token, and starts a host where none runs."""
    command = [sys.executable, "-m", "codex_windows_ai.cli", "token"]
    home = f"{ENVIRONMENT_PREFIX}HOME"
    if value := os.environ.get(home):
        command += ["--env", f"{home}={value}"]
    return subprocess.list2cmdline(command) if sys.platform == "win32" else shlex.join(command)


def config_folder() -> Path:
    """Where programs that follow the XDG rules keep their configuration."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
