"""ONNX Runtime, the one place that imports it: it ships no types, and its telemetry has two switches.

The package sets `ORT_DISABLE_TELEMETRY` before this is imported, which keeps builds that send by themselves (Linux,
macOS, others for Windows) from even making an identifier. Builds for Windows ML write trace events to Windows instead,
which that variable does not stop and the call below does, but for those of the loading itself.
"""

from __future__ import annotations

from typing import Any

from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.hardware.memory import SHORT_OF_MEMORY

try:
    import onnxruntime as untyped_onnxruntime
except ImportError as error:
    raise NotAvailableError(
        f"ONNX Runtime cannot be loaded: {error}",
        hint=SHORT_OF_MEMORY,
    ) from error

__all__ = ["onnxruntime"]

onnxruntime: Any = untyped_onnxruntime
onnxruntime.disable_telemetry_events()
