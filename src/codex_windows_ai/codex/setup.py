"""What `cwai setup codex` writes into Codex's folder: two profiles and a model catalogue, each a file of its own.

And lines in `.env`, the environment that Codex gives itself when it starts, where `${NAME}` is the user's own (0.163):
a Codex that `cwai codex` did not start would send a proxy what it asks this machine's host, token and prompt included,
and no key of its configuration prevents that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from codex_windows_ai.agents import file_changes
from codex_windows_ai.agents.file_changes import FileChange
from codex_windows_ai.client.proxies import LOOPBACK, no_proxy_variables
from codex_windows_ai.codex.catalogue import ModelInfo, catalogue_text, offers_tools
from codex_windows_ai.codex.profile import (
    PROFILE,
    TOOLS_PROFILE,
    CodexModel,
    codex_home,
    profile_settings,
    profile_text,
    tools_profile_settings,
)

_HEADING = """\
Codex on the model of this PC: `codex -p windows-ai`.
Written by `cwai setup codex`; `cwai setup codex restore` removes it. Your own config.toml is not touched."""
_TOOLS_HEADING = """\
The tools of this PC's AI for the model that you use: `codex -p windows-ai-tools`.
Written by `cwai setup codex`; `cwai setup codex restore` removes it. Your own config.toml is not touched."""


ENVIRONMENT_HEADING = "# Written by `cwai setup codex`: what is on this PC is not asked through a proxy.\n"


def environment_lines(url: str) -> str:
    """The lines of `.env` that keep the host at `url`, and loopback, out of proxies, with whatever else is by then."""
    users = [f"${{{name}}}" for name in no_proxy_variables()]
    direct = ",".join(dict.fromkeys([*users, *LOOPBACK, urlsplit(url).hostname or LOOPBACK[0]]))
    return ENVIRONMENT_HEADING + "".join(f'{name}="{direct}"\n' for name in no_proxy_variables())


def setup_files(home: Path | None = None) -> list[Path]:
    """The files that the setup writes, in Codex's folder."""
    home = home or codex_home()
    profiles = [home / f"{name}.config.toml" for name in (PROFILE, TOOLS_PROFILE)]
    return [*profiles, home / f"{PROFILE}.models.json", home / ".env"]


def plan_setup(url: str, models: Sequence[ModelInfo], *, force: bool = False) -> list[FileChange]:
    """The changes that set Codex up for the host at `url`, which serves `models` (the first is taken).

    Raises SetupConflictError: a file of that name is not ours, or was edited, and `force` is not given.
    """
    profile, tools, catalogue, environment = setup_files()
    served = CodexModel(url, str(models[0]["slug"]), catalogue, offers_tools(models[0]))
    texts = {
        profile: profile_text(profile_settings(served), heading=_HEADING),
        tools: profile_text(tools_profile_settings(url), heading=_TOOLS_HEADING),
        catalogue: catalogue_text(models),
    }
    return [
        *(file_changes.plan_file(path, text, force=force) for path, text in texts.items()),
        file_changes.plan_lines(environment, environment_lines(url)),
    ]


def plan_restore(*, force: bool = False) -> list[FileChange]:
    """The changes that undo the setup. Raises SetupConflictError: a file was edited and `force` is not given."""
    return file_changes.plan_restore(setup_files(), force=force)
