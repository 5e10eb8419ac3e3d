"""Checks of what only Windows has. Elsewhere they say what they would look at."""

from __future__ import annotations

import sys
from functools import partial

from codex_windows_ai.doctor.report import Check, Finding

__all__ = ["windows_checks"]

_LOOKED_AT = {
    "windows.build": "the build of Windows; the Windows AI APIs need Windows 11 24H2 (26100) or newer",
    "windows.language_model": "LanguageModel.GetReadyState(): whether Windows' own language model is there and ready",
    "windows.app_actions": "ActionRuntime: the App Actions that installed apps offer for text",
    "windows.ml_providers": "ExecutionProviderCatalog: the execution providers that Windows ML can install",
    "windows.package_identity": "GetCurrentPackageFullName: the package identity that the Windows AI APIs ask for",
    "kernel.ai_driver": "the service and the device of ai_driver.sys, and whether test signing is on",
}


def windows_checks() -> list[Check]:
    """One check for each part of Windows that this program can use."""
    return [Check(name, partial(_skip, looked_at)) for name, looked_at in _LOOKED_AT.items()]


def _skip(looked_at: str) -> Finding:
    reason = "not built yet" if sys.platform == "win32" else "needs Windows"
    return Finding("skipped", f"{reason}; would look at {looked_at}")
