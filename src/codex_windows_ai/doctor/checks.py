"""The examination: every check, in the order in which a person would fix things."""

from __future__ import annotations

from collections.abc import Iterator

from codex_windows_ai.codex.launch import codex_version, find_codex
from codex_windows_ai.doctor.agents import agent_checks
from codex_windows_ai.doctor.machine import machine_checks
from codex_windows_ai.doctor.model import check_model
from codex_windows_ai.doctor.privacy import privacy_checks
from codex_windows_ai.doctor.report import Check, Finding, Report, examine
from codex_windows_ai.doctor.windows import windows_checks
from codex_windows_ai.errors import CodexNotFoundError
from codex_windows_ai.host.host import OPEN_LOOPBACK_REMARK
from codex_windows_ai.settings import load_settings, settings_file
from codex_windows_ai.version import release

__all__ = ["check_codex", "examine_machine"]


def examine_machine() -> Report:
    """Examine the machine that this runs on; takes a few seconds."""
    return examine(_all_checks(), release())


def _all_checks() -> Iterator[Check]:
    yield from machine_checks()
    yield Check("config.settings", _settings)
    yield Check("model.installed", check_model)
    yield Check("codex.cli", check_codex)
    yield from agent_checks()
    yield from privacy_checks()
    yield from windows_checks()


def _settings() -> Finding:
    file = settings_file()
    settings = load_settings()
    origin = f"{file} is valid" if file.is_file() else f"defaults and environment; there is no {file}"
    details = {"file": str(file), "settings": settings.model_dump(mode="json")}
    if settings.open_loopback:
        fix = "Take the setting `open_loopback` back where no client needs it."
        return Finding("warning", f"{origin}; {OPEN_LOOPBACK_REMARK}", details, fix)
    return Finding("ok", origin, details)


def check_codex() -> Finding:
    """Whether the real Codex CLI is there, and which."""
    try:
        executable = find_codex()
        return Finding("ok", f"{codex_version(executable)} at {executable}", {"path": str(executable)})
    except CodexNotFoundError as error:
        # Only `cwai exec` without --use-windows-ai needs it.
        return Finding("warning", error.message, {}, "npm install -g @openai/codex")
