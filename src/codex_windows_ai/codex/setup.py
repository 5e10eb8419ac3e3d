"""What `cwai setup codex` writes: two profiles and a model catalogue, each a file of its own in Codex's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codex_windows_ai.agents import file_changes
from codex_windows_ai.agents.file_changes import FileChange
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


def setup_files(home: Path | None = None) -> list[Path]:
    """The files that the setup writes, in Codex's folder."""
    home = home or codex_home()
    return [home / f"{PROFILE}.config.toml", home / f"{TOOLS_PROFILE}.config.toml", home / f"{PROFILE}.models.json"]


def plan_setup(url: str, models: Sequence[ModelInfo], *, force: bool = False) -> list[FileChange]:
    """The changes that set Codex up for the host at `url`, which serves `models` (the first is taken).

    Raises SetupConflictError: a file of that name is not ours, or was edited, and `force` is not given.
    """
    profile, tools, catalogue = setup_files()
    served = CodexModel(url, str(models[0]["slug"]), catalogue, offers_tools(models[0]))
    texts = {
        profile: profile_text(profile_settings(served), heading=_HEADING),
        tools: profile_text(tools_profile_settings(url), heading=_TOOLS_HEADING),
        catalogue: catalogue_text(models),
    }
    return [file_changes.plan_file(path, text, force=force) for path, text in texts.items()]


def plan_restore(*, force: bool = False) -> list[FileChange]:
    """The changes that undo the setup. Raises SetupConflictError: a file was edited and `force` is not given."""
    return file_changes.plan_restore(setup_files(), force=force)
