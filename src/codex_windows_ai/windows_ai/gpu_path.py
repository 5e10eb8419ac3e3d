"""The library of the execution provider that makes the best of this machine's GPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["GpuPath", "PathSource"]

PathSource = Literal["catalog", "setting", "bundled"]


@dataclass(frozen=True, slots=True)
class GpuPath:
    """A library for `onnxruntime.register_execution_provider_library`; `os.fspath` gives its path.

    `luid` is the adapter's as a 64-bit number, where ONNX Runtime tells it. `source` says where the
    library comes from: the catalogue of Windows ML, the setting `execution_provider_library`, or
    ONNX Runtime's own package. `reason` says why this one is the best.
    """

    library: Path
    execution_provider: str
    adapter: str
    reason: str
    luid: int | None = None
    version: str | None = None
    source: PathSource = "catalog"

    def __fspath__(self) -> str:
        return str(self.library)
