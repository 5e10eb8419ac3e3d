#!/usr/bin/env bash
# ONNX Runtime keeps a plan of memory (`SessionOptions.enable_mem_pattern`, on by default) for every combination of input
# shapes that a session ever saw, and forgets none. A decoder's past is one token longer in every pass.
#
# Expected: memory that stops growing, as with any cache that is bounded.
# Seen, onnxruntime 1.32.0, a graph of 60 operators, one input of 500 to 12,499 numbers: memory grows by 0.2 kB for every
# new length, on and on, hardly when the same lengths come again, and hardly without plans. A decoder of 30
# layers: 25 kB for every token of a past's length.
# Fails when that changes. Needs Linux, python3 with venv, and a package index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install onnxruntime==1.32.0 onnx==1.23.2

cat >"$work/grow.py" <<'PYTHON'
"""Memory that runs with new shapes leave behind, with and without plans."""
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

OPERATORS, NEW = 60, range(500, 12500)
nodes = [helper.make_node("Relu", [f"t{number}"], [f"t{number + 1}"]) for number in range(OPERATORS)]
graph = helper.make_graph(
    nodes,
    "chain",
    [helper.make_tensor_value_info("t0", TensorProto.FLOAT, ["length"])],
    [helper.make_tensor_value_info(f"t{OPERATORS}", TensorProto.FLOAT, ["length"])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def resident() -> int:
    """Kilobytes of memory that is no file's."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))


def run(session: onnxruntime.InferenceSession, lengths: range) -> int:
    before = resident()
    for length in lengths:
        session.run(None, {"t0": np.zeros(length, np.float32)})
    return resident() - before


changed = False
for plans in (True, False):
    options = onnxruntime.SessionOptions()
    options.enable_mem_pattern = plans
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    run(session, range(1, NEW.start))
    new, again = run(session, NEW), run(session, NEW)
    print(f"plans {plans}: {len(NEW):,} new lengths leave {new} kB, the same ones again {again} kB")
    changed |= (new > 1500) != plans or again > 800
raise SystemExit("changed" if changed else 0)
PYTHON

"$work/venv/bin/python" "$work/grow.py"
