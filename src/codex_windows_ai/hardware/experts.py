"""How fast this processor multiplies experts: ONNX Runtime has kernels for some forms of them, and for others none.

ONNX Runtime 1.32 takes MXFP4 about as fast as integers of 4 bits with AVX-512, and about a hundred times as slowly with
AVX2; before 1.31 it took integers apart for each product, and 1.30 has no MXFP4. So it is tried, with few weights.
https://github.com/microsoft/onnxruntime/pull/32644
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
_INT8_ACTIVATIONS = 4
FP4, INTEGERS, DENSE = "fp4", "int", "dense"
"""One expert in MXFP4, in integers of 4 bits, and a plain product with as many of these."""


@cache
def multiplies_mxfp4() -> bool:
    """Whether a product with MXFP4 experts takes about as long as one with integers of the same size."""
    return _is_near(FP4, INTEGERS)


@cache
def multiplies_experts() -> bool:
    """Whether experts in integers of 4 bits are multiplied about as fast as a dense model's matrices."""
    return _is_near(INTEGERS, DENSE)


@cache
def rounds_activations() -> bool:
    """Whether experts can be multiplied with activations of 8 bits, by QMoE's `accuracy_level`; 1.30 refuses that."""
    try:
        _session(INTEGERS)
    except Exception:  # ONNX Runtime's exceptions have no common base
        return False
    return True


def _is_near(form: str, other: str) -> bool:
    try:
        sessions = [_session(form), _session(other)]
        inputs = {"routes": np.ones((1, _SIZE), np.float32), "told": np.ones((1, 1), np.float32)}
        seconds = [min(_seconds(session, inputs) for _ in range(_TRIES)) for session in sessions]
    except Exception:  # ONNX Runtime's exceptions have no common base
        return False
    return seconds[0] < _MOST_TIMES_SLOWER * seconds[1]


def _seconds(session: Any, inputs: dict[str, Any]) -> float:
    started = time.perf_counter()
    session.run(None, inputs)
    return time.perf_counter() - started


def _session(form: str) -> Any:
    """Products with so many columns and rows, and half as many rows."""
    from onnx import TensorProto, helper, numpy_helper

    initializers: list[TensorProto] = []
    for name, rows in (("in", 2 * _SIZE), ("out", _SIZE)):
        shape = (1, rows, _SIZE // _BLOCK)
        codes = np.zeros((rows, _SIZE // _BLOCK, _BLOCK // 2) if form == DENSE else (1, rows, _SIZE // 2), np.uint8)
        initializers.append(numpy_helper.from_array(codes, f"{name}.codes"))
        if form == FP4:
            raw = np.full(shape, 127, np.uint8).tobytes()
            scales = helper.make_tensor(f"{name}.scales", TensorProto.FLOAT8E8M0, shape, raw, raw=True)
        else:
            scales = numpy_helper.from_array(
                np.ones(shape[1:] if form == DENSE else shape, np.float32), f"{name}.scales"
            )
        initializers.append(scales)
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ("routes", size))
        for name, size in (("routes", _SIZE), ("told", 1), ("found", _SIZE))
    ]
    graph = helper.make_graph(_nodes(form), form, values[:2], values[2:], initializers)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, ir_version=12 if form == FP4 else 10, opset_imports=opsets)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _nodes(form: str) -> list[Any]:
    from onnx import helper

    domain = "com.microsoft"
    if form == DENSE:
        common = {"K": _SIZE, "bits": 4, "block_size": _BLOCK, "accuracy_level": _INT8_ACTIVATIONS}
        wide: dict[str, Any] = {"N": 2 * _SIZE, **common}
        narrow: dict[str, Any] = {"N": _SIZE, **common}
        return [
            helper.make_node("MatMulNBits", ["routes", "in.codes", "in.scales"], ["both"], domain=domain, **wide),
            helper.make_node("Split", ["both"], ["gate", "up"], axis=-1, num_outputs=2),
            helper.make_node("Mul", ["gate", "up"], ["gated"]),
            helper.make_node("MatMulNBits", ["gated", "out.codes", "out.scales"], ["sum"], domain=domain, **narrow),
            helper.make_node("Mul", ["sum", "told"], ["found"]),
        ]
    attributes: dict[str, Any] = {"quant_type": form, "expert_weight_bits": 4, "block_size": _BLOCK}
    attributes |= (
        {"weights_prepacked": 1} if form == FP4 else {"weights_prepacked": 0, "accuracy_level": _INT8_ACTIVATIONS}
    )
    attributes |= {"k": 1, "activation_type": "swiglu", "swiglu_fusion": 1}
    inputs = ["routes", "told", "in.codes", "in.scales", "", "out.codes", "out.scales", ""]
    return [helper.make_node("QMoE", inputs, ["found"], domain=domain, **attributes)]
