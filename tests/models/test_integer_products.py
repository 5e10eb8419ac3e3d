"""Products as integers: their sums are right on every processor, however large."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper, numpy_helper

from codex_windows_ai.models.blocks.graph_builder import GraphBuilder
from codex_windows_ai.models.blocks.products import multiply_integers
from codex_windows_ai.models.folder import EXACT_SUMS

COLUMNS = 64


def product(codes: np.ndarray, source: np.ndarray) -> np.ndarray:
    """`source` with the matrix of these uint8 `codes`, whose scales are one, through ONNX Runtime's kernels."""
    build = GraphBuilder()
    multiply_integers(build, "source", "weight", "product")
    weights = {"weight.rows": codes, "weight.row_scales": np.ones(len(codes), np.float32)}
    graph = helper.make_graph(
        build.nodes,
        "product",
        [helper.make_tensor_value_info("source", TensorProto.FLOAT, ["rows", COLUMNS])],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, ["rows", len(codes)])],
        [*(numpy_helper.from_array(values, name) for name, values in weights.items()), *build.constants],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry(*EXACT_SUMS)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"source": source})[0])


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums_do_not_overflow(sign: int):
    found = product(np.full((8, COLUMNS), 255, np.uint8), np.full((3, COLUMNS), sign, np.float32))
    np.testing.assert_allclose(found, sign * 127 * COLUMNS, rtol=1e-5)


@given(
    arrays(np.uint8, (5, COLUMNS), elements=st.integers(1, 255)),
    arrays(np.int8, (2, COLUMNS), elements=st.integers(-127, 127)),
)
def test_products_are_those_of_the_integers(codes: np.ndarray, source: np.ndarray):
    source[:, 0] = 127  # so that the rows' scale is one, and no value is rounded
    expected = source.astype(np.float64) @ (codes.astype(np.float64) - 128).T
    np.testing.assert_allclose(product(codes, source.astype(np.float32)), expected, rtol=1e-5, atol=1e-2)
