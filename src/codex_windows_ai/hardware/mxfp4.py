"""Whether this processor multiplies experts in MXFP4 fast: ONNX Runtime has kernels for some, and for others none.

ONNX Runtime 1.32 takes them about as fast as integers of 4 bits with AVX-512, and about a hundred times as slowly with
AVX2; older ones refuse them. So it is tried, with few weights.
"""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import numpy as np

from codex_windows_ai.hardware.onnx_runtime import onnxruntime

_SIZE, _BLOCK = 256, 32
_TRIES = 8
_MOST_TIMES_SLOWER = 10


@cache
def multiplies_mxfp4() -> bool:
    """Whether a product with MXFP4 experts takes about as long as one with integers of the same size."""
    try:
        runs = [_session(quantisation) for quantisation in ("fp4", "int")]
    except Exception:  # ONNX Runtime's exceptions have no common base
        return False
    inputs = {"routes": np.ones((1, _SIZE), np.float32), "told": np.ones((1, 1), np.float32)}
    fp4, integers = (min(_seconds(session, inputs) for _ in range(_TRIES)) for session in runs)
    return fp4 < _MOST_TIMES_SLOWER * integers


def _seconds(session: Any, inputs: dict[str, Any]) -> float:
    started = time.perf_counter()
    session.run(None, inputs)
    return time.perf_counter() - started


def _session(quantisation: str) -> Any:
    """One expert, of so many columns and rows."""
    from onnx import TensorProto, helper, numpy_helper

    is_fp4 = quantisation == "fp4"
    initializers: list[TensorProto] = []
    for name, rows in (("in", 2 * _SIZE), ("out", _SIZE)):
        shape = (1, rows, _SIZE // _BLOCK)
        initializers.append(numpy_helper.from_array(np.zeros((1, rows, _SIZE // 2), np.uint8), f"{name}.codes"))
        if is_fp4:
            raw = np.full(shape, 127, np.uint8).tobytes()
            scales = helper.make_tensor(f"{name}.scales", TensorProto.FLOAT8E8M0, shape, raw, raw=True)
        else:
            scales = numpy_helper.from_array(np.ones(shape, np.float32), f"{name}.scales")
        initializers.append(scales)
    attributes: dict[str, Any] = {"quant_type": quantisation, "expert_weight_bits": 4, "block_size": _BLOCK}
    attributes |= {"weights_prepacked": 1} if is_fp4 else {"weights_prepacked": 0, "accuracy_level": 4}
    attributes |= {"k": 1, "activation_type": "swiglu", "swiglu_fusion": 1}
    inputs = ["routes", "told", "in.codes", "in.scales", "", "out.codes", "out.scales", ""]
    node = helper.make_node("QMoE", inputs, ["found"], domain="com.microsoft", **attributes)
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ("routes", size))
        for name, size in (("routes", _SIZE), ("told", 1), ("found", _SIZE))
    ]
    graph = helper.make_graph([node], "mxfp4", values[:2], values[2:], initializers)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, ir_version=12, opset_imports=opsets)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
