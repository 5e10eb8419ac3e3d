"""Which of a model's graphs this processor runs: the one with integer products, or the portable one."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime as ort

from codex_windows_ai.models.folder import ModelFolder

# `y = MatMulInteger(a, b)`, a uint8 [1, 2], b int8 [[127], [127]], as onnx.helper writes it.
LARGEST_PRODUCT = bytes.fromhex(
    "080a3a560a180a01610a0162120179220d4d61744d756c496e74656765721201672a0d0802080110034201624a027f7f"
    "5a130a0161120e0a0c080212080a0208010a02080262130a0179120e0a0c080612080a0208010a02080142040a001015"
)

_runtime = cast("Any", ort)


def cpu_graph(folder: ModelFolder) -> Path:
    """The graph to load on this processor."""
    if folder.cpu_model_file is not None and integer_products_are_exact():
        return folder.cpu_model_file
    return folder.model_file


@functools.cache
def integer_products_are_exact() -> bool:
    """Whether ONNX Runtime's uint8 by int8 kernel for this processor computes the largest sum it can meet.

    x86 processors without VNNI add pairs of products in 16 bits, which is too few:
    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html (when to use U8U8).
    """
    session = _runtime.InferenceSession(LARGEST_PRODUCT, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"a": np.array([[255, 255]], np.uint8)})
    return int(found.item()) == 2 * 255 * 127
