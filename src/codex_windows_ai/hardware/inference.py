"""What ONNX Runtime's execution providers really do here: a tiny model is run and the work is traced to its place.

A session that is asked for a provider quietly runs on the CPU when the provider cannot take the
work. ONNX Runtime's profile is the only witness: it names the provider that executed each node.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codex_windows_ai.hardware.onnx_runtime import onnxruntime

__all__ = ["Trial", "execution_providers", "first_line", "try_provider"]

_SIDE = 8


@dataclass(frozen=True, slots=True)
class Trial:
    """How a tiny inference on `provider` went.

    `executed_by` is the provider that really ran it, None if it failed with `error`.
    """

    provider: str
    executed_by: str | None
    error: str | None = None


def execution_providers() -> list[str]:
    """The execution providers that this build of ONNX Runtime has, best first."""
    return list(onnxruntime.get_available_providers())


def first_line(error: Exception) -> str:
    """What an exception of ONNX Runtime says, without the stack that it may carry; its class where it says nothing."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def try_provider(provider: str) -> Trial:
    """Multiply two small matrices on `provider` and find out who did it."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return Trial(provider, _run(provider, Path(folder)))
        except Exception as error:  # a provider can fail in any way its library likes; the trial is to say so
            return Trial(provider, None, first_line(error))


def _run(provider: str, folder: Path) -> str:
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "trial")
    options.log_severity_level = 4  # a failure is reported by us, once
    # Without its own fall-back, which prints to standard output: a provider that cannot start says so.
    session = onnxruntime.InferenceSession(_product_model(), options, providers=[provider], enable_fallback=False)
    ones = np.ones((_SIDE, _SIDE), dtype=np.float32)
    (product,) = session.run(None, {"a": ones, "b": ones})
    events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    if not np.array_equal(product, ones * _SIDE):
        raise ArithmeticError(f"{provider} computed a wrong product")
    ran = {event["args"]["provider"] for event in events if event.get("args", {}).get("provider")}
    return ", ".join(sorted(ran))


def _product_model() -> bytes:
    from onnx import TensorProto, helper

    shape = (_SIDE, _SIDE)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["product"])],
        "product",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("a", "b")],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, shape)],
    )
    # Opset 13 and IR 8 are read by every ONNX Runtime since 1.9, also by vendors' older builds.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString()
