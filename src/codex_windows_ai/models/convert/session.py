"""Runs an ONNX model on the CPU: what calibration and proof need of ONNX Runtime, which carries no types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.hardware.inference import first_line
from codex_windows_ai.models.folder import EXACT_SUMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


class Session:
    """A loaded model; `model` is the path of its file or its serialised bytes, `name` what errors call it.

    Raises ModelFileError: it does not load, or does not run.
    """

    def __init__(self, model: str | bytes, name: str) -> None:
        from codex_windows_ai.hardware.onnx_runtime import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # a failure is reported by us, once
        options.enable_cpu_mem_arena = False  # which would keep the memory of the largest pass
        options.add_session_config_entry(*EXACT_SUMS)
        self._name = name
        try:
            self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise self._failure(error) from error

    def run(self, outputs: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """The float32 `outputs` for these inputs."""
        try:
            return self._session.run(list(outputs), dict(feeds))
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> ModelFileError:
        return ModelFileError(f"The converted model {self._name} does not run: {first_line(error)}")
