"""One on-device model, shared by every coding agent on the PC."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

# ONNX Runtime reads this when it is loaded, and sends telemetry to Microsoft without it (also on Linux, since 1.29).
# Every module of ours comes after this line, and so does whatever they import and every process that they start.
TELEMETRY_VARIABLE = "ORT_DISABLE_TELEMETRY"
TELEMETRY_GIVEN = os.environ.get(TELEMETRY_VARIABLE)
"""What the variable was before; the doctor tells of it."""

if "onnxruntime" in sys.modules and TELEMETRY_GIVEN in (None, "", "0"):
    warnings.warn(
        "onnxruntime was imported before codex_windows_ai, so its telemetry is on in this process: import "
        f"codex_windows_ai first, or set {TELEMETRY_VARIABLE}=1.",
        RuntimeWarning,
        stacklevel=2,
    )
os.environ[TELEMETRY_VARIABLE] = "1"

if TYPE_CHECKING:
    from codex_windows_ai.client.execute import WindowsAiAnswer, execute_with_windows_ai
    from codex_windows_ai.errors import WindowsAiError
    from codex_windows_ai.protocol.answer import Delta, Timings, Usage
    from codex_windows_ai.protocol.request import GenerationRequest, Grammar, Message, SamplingParameters
    from codex_windows_ai.protocol.source import AnswerSource
    from codex_windows_ai.settings import Settings, load_settings
    from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime

__all__ = [
    "AnswerSource",
    "Delta",
    "GenerationRequest",
    "Grammar",
    "Message",
    "SamplingParameters",
    "Settings",
    "Timings",
    "Usage",
    "WindowsAiAnswer",
    "WindowsAiError",
    "WindowsAiRuntime",
    "execute_with_windows_ai",
    "load_settings",
]

# Where each public name lives. They are imported on first use: the command line must be able
# to print its help without loading a model runtime.
_HOMES = {
    "client.execute": ("WindowsAiAnswer", "execute_with_windows_ai"),
    "errors": ("WindowsAiError",),
    "protocol.answer": ("Delta", "Timings", "Usage"),
    "protocol.request": ("GenerationRequest", "Grammar", "Message", "SamplingParameters"),
    "protocol.source": ("AnswerSource",),
    "settings": ("Settings", "load_settings"),
    "windows_ai.runtime": ("WindowsAiRuntime",),
}
_MODULES = {name: f"{__name__}.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(_MODULES)
