#!/usr/bin/env bash
# ONNX Runtime's MatMulNBits with accuracy_level 4 rounds every row of activations by itself, so what a row gives should not
# depend on how many rows there are; with 8-bit weights it does not.
#
# Expected: a row alone, and as one of 2 to 64, has the same product to the last bit, for 4 bits as for 8.
# Seen, onnxruntime 1.32.0, x86 with AVX2 and no AVX-512: with 4 bits all of 2 to 64 rows agree, and a row alone differs in
# its last bits, with accuracy_level 0 as with 4. Who batches sequences of one token, and promises the same answer whatever
# else runs, cannot rely on it there. With 8 bits all agree.
# Fails when one of these changes; on processors with AVX-512 it says that it has nothing to show. Needs python3 with venv,
# and a package index.
set -euo pipefail
if grep --quiet avx512f /proc/cpuinfo; then
    echo "this processor has AVX-512: nothing to show"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6

cat >"$work/rows.py" <<'PYTHON'
"""The same row of activations, alone and among others."""
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ROWS, COLUMNS, BLOCK = 1024, 1024, 32
random = np.random.default_rng(0)


def session(bits: int, level: int) -> onnxruntime.InferenceSession:
    codes = random.integers(0, 256, (ROWS, COLUMNS // BLOCK, BLOCK * bits // 8)).astype(np.uint8)
    scales = random.random((ROWS, COLUMNS // BLOCK)).astype(np.float32)
    node = helper.make_node(
        "MatMulNBits", ["x", "codes", "scales"], ["y"], domain="com.microsoft",
        K=COLUMNS, N=ROWS, bits=bits, block_size=BLOCK, accuracy_level=level,
    )
    graph = helper.make_graph(
        [node], "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", COLUMNS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", ROWS])],
        [numpy_helper.from_array(codes, "codes"), numpy_helper.from_array(scales, "scales")],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = helper.make_model(graph, ir_version=10, opset_imports=opsets).SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


x = random.standard_normal((64, COLUMNS)).astype(np.float32)
found = {}
for bits, level in ((4, 4), (4, 0), (8, 4)):
    run = session(bits, level).run
    (all_rows,) = run(None, {"x": x})
    differ = [n for n in (1, 2, 3, 5, 8, 17, 33) if not np.array_equal(run(None, {"x": x[:n]})[0], all_rows[:n])]
    found[bits, level] = differ
    print(f"{bits} bits, accuracy_level {level}: other bits than among 64 rows where there are {differ or 'none'}")
assert found == {(4, 4): [1], (4, 0): [1], (8, 4): []}, found
print("as stated")
PYTHON
"$work/venv/bin/python" "$work/rows.py"
