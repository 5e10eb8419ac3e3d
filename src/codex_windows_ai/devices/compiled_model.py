"""Models compiled for a device, kept for the next start.

Some execution providers translate a model for their chip, which takes minutes. ONNX Runtime writes the outcome as a
model of its own ("EPContext"); it belongs to one provider in one version and to one model file.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from codex_windows_ai.devices.devices import Device, fingerprint, plain_name
from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.hardware.inference import first_line
from codex_windows_ai.hardware.onnx_runtime import onnxruntime
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.progress import Progress, silent
from codex_windows_ai.settings import cache_folder

__all__ = ["compiled_model", "compiles"]


_COMPILING = {"qnn", "openvino", "nvtensorrtrtx", "vitisai"}


def compiles(device: Device) -> bool:
    """Whether the device's execution provider is one that compiles models."""
    return plain_name(device.execution_provider) in _COMPILING


def compiled_model(folder: ModelFolder, device: Device, progress: Progress | None = None) -> Path:
    """The model file of `folder`, compiled for `device`: that of an earlier start, or a new one.

    Raises NotAvailableError: the provider cannot compile this model.
    """
    file = _target(folder, device)
    if file.is_file():
        return file
    report = progress or silent
    stage = f"compiling for {device.execution_provider}"
    report(stage, 0, 0)
    file.parent.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent.parent) as scratch:
        built = Path(scratch) / "built"
        built.mkdir()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        device.configure(options)
        try:
            onnxruntime.ModelCompiler(options, str(folder.model_file)).compile_to_file(str(built / file.name))
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise NotAvailableError(
                f"{device.execution_provider} cannot compile the model: {first_line(error)}"
            ) from error
        try:
            built.rename(file.parent)
        except OSError:
            if not file.is_file():  # else another process was faster, and what it made is as good
                raise
    report(stage, 1, 1)
    return file


def _target(folder: ModelFolder, device: Device) -> Path:
    return cache_folder() / "compiled" / f"{folder.name}-{fingerprint(folder, device)}" / "model.onnx"
