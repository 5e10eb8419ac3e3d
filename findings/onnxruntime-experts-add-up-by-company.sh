#!/usr/bin/env bash
# ONNX Runtime's QMoE adds up what a token's experts give. With 8-bit weights a row's products do not depend on how many rows
# there are, so what a token gets should not depend on which other tokens are there.
#
# Expected: a token alone, and among 40 others, has the same bits.
# Seen, onnxruntime 1.32.0: it has others, in its last bits. Experts are gone through by how many tokens they have, and add up
# in that order; with a single expert a token all agree, whatever the company. Who promises the same answer whatever else runs
# gives each pair of token and expert a row of its own, and adds up behind it.
# Fails when one of these changes. Needs python3 with venv, and a package index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6

cat >"$work/company.py" <<'PYTHON'
"""Tokens of a mixture of experts, alone and among others."""
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

EXPERTS, HIDDEN, INNER, BLOCK, TOKENS = 8, 256, 192, 32, 41
random = np.random.default_rng(0)


def session(used: int) -> onnxruntime.InferenceSession:
    initializers = []
    for name, rows, columns in (("in", 2 * INNER, HIDDEN), ("out", HIDDEN, INNER)):
        codes = random.integers(0, 256, (EXPERTS, rows, columns)).astype(np.uint8)
        scales = (random.random((EXPERTS, rows, columns // BLOCK)) * 1e-3).astype(np.float32)
        initializers += [numpy_helper.from_array(codes, f"{name}.codes"), numpy_helper.from_array(scales, f"{name}.scales")]
    node = helper.make_node(
        "QMoE", ["x", "scores", "in.codes", "in.scales", "", "out.codes", "out.scales", ""], ["y"], domain="com.microsoft",
        k=used, activation_type="swiglu", swiglu_fusion=1, expert_weight_bits=8, block_size=BLOCK, normalize_routing_weights=1,
    )
    shapes = {"x": HIDDEN, "scores": EXPERTS, "y": HIDDEN}
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["tokens", size]) for name, size in shapes.items()]
    graph = helper.make_graph([node], "experts", values[:2], values[2:], initializers)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = helper.make_model(graph, ir_version=10, opset_imports=opsets).SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


feeds = {name: random.standard_normal((TOKENS, size)).astype(np.float32) for name, size in (("x", HIDDEN), ("scores", EXPERTS))}
found = {}
for used in (4, 1):
    run = session(used).run
    (together,) = run(None, feeds)
    alone = np.concatenate([run(None, {name: values[n : n + 1] for name, values in feeds.items()})[0] for n in range(TOKENS)])
    found[used] = int((alone != together).any(axis=1).sum())
    print(f"{used} experts a token: {found[used]} of {TOKENS} tokens have other bits alone than together")
    assert np.allclose(alone, together, rtol=1e-4, atol=1e-6)
assert found[4] > TOKENS // 2, found
assert found[1] == 0, found
print("as stated")
PYTHON
"$work/venv/bin/python" "$work/company.py"
