"""Tensors keep their values: what the blocks hold is what the `gguf` package makes of the same bytes."""

import numpy as np
import onnxruntime
import pytest
from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as Kind
from gguf.quants import dequantize
from onnx import TensorProto, helper, numpy_helper

from codex_windows_ai.models.blocks.graph_builder import GraphBuilder
from codex_windows_ai.models.blocks.products import QuantizedProducts
from codex_windows_ai.models.blocks.weights import Matrix
from codex_windows_ai.models.convert.repacking import REPACKINGS, pack

ROWS, COLUMNS = 48, 512
HALVES = {  # where a block has numbers of 16 bits
    Kind.Q4_0: (0,),
    Kind.Q4_1: (0, 2),
    Kind.Q5_0: (0,),
    Kind.Q5_1: (0, 2),
    Kind.Q8_0: (0,),
    Kind.Q2_K: (80, 82),
    Kind.Q3_K: (108,),
    Kind.Q4_K: (0, 2),
    Kind.Q5_K: (0, 2),
    Kind.Q6_K: (208,),
    Kind.IQ4_NL: (0,),
    Kind.IQ4_XS: (0,),
    Kind.MXFP4: (),
}


def some_rows(kind: Kind) -> np.ndarray:
    """Any bytes at all, but for numbers of 16 bits, which are of the usual sizes."""
    random = np.random.default_rng(5)
    values, size = GGML_QUANT_SIZES[kind]
    raw = random.integers(0, 256, (ROWS, COLUMNS // values, size), dtype=np.uint8)
    for place in HALVES[kind]:
        numbers = random.normal(0, 1e-2, raw.shape[:2]).astype(np.float16)
        raw[:, :, place : place + 2] = numbers[..., None].view(np.uint8)
    if kind is Kind.MXFP4:
        raw[:, :, 0] = random.integers(118, 128, raw.shape[:2])
    return raw.reshape(ROWS, -1)


def initializers(kind: Kind, raw: np.ndarray) -> dict[str, np.ndarray]:
    form, blocks_of = REPACKINGS[kind]
    blocks = blocks_of(raw)
    codes = pack(blocks.codes, form)
    parts = {"codes": codes.reshape(ROWS, -1, form.packed_bytes), "rows": codes}
    parts |= blocks.beside_codes()
    return {f"weight.{name}": values for name, values in parts.items()}


def session_of(build: GraphBuilder, kind: Kind, raw: np.ndarray, inputs: list, output: str):
    tensors = [numpy_helper.from_array(values, name) for name, values in initializers(kind, raw).items()]
    graph = helper.make_graph(
        build.nodes,
        "weights",
        inputs,
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [*(tensor for tensor in tensors if tensor.name in build.used), *build.constants],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def test_all_kinds_are_tried():
    assert HALVES.keys() == REPACKINGS.keys()


@pytest.mark.parametrize("kind", HALVES, ids=lambda kind: kind.name)
def test_rows_that_are_looked_up_are_the_files_own(kind: Kind):
    raw, build = some_rows(kind), GraphBuilder()
    products = QuantizedProducts({"weight": REPACKINGS[kind].form})
    output = products.embed(build, Matrix("weight", None, ROWS, COLUMNS), "ids")
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "sequence"])]
    ids = np.arange(ROWS).reshape(2, -1)
    (found,) = session_of(build, kind, raw, inputs, output).run(None, {"ids": ids})
    expected = dequantize(raw, kind)
    # A minimum is added in another order than the package's: the last bit may differ.
    tolerance = np.abs(expected).max() * (1e-6 if REPACKINGS[kind].form.floor else 0)
    np.testing.assert_allclose(found.reshape(ROWS, COLUMNS), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", HALVES, ids=lambda kind: kind.name)
def test_products_are_off_by_the_rounding_of_activations_alone(kind: Kind):
    raw, build = some_rows(kind), GraphBuilder()
    products = QuantizedProducts({"weight": REPACKINGS[kind].form})
    products.multiply(build, Matrix("weight", None, ROWS, COLUMNS), "source", "product")
    inputs = [helper.make_tensor_value_info("source", TensorProto.FLOAT, ["batch", "sequence", COLUMNS])]
    source = np.random.default_rng(6).normal(0, 1, (1, 5, COLUMNS)).astype(np.float32)
    (found,) = session_of(build, kind, raw, inputs, "product").run(None, {"source": source})
    weights = dequantize(raw, kind).astype(np.float64)
    expected = source @ weights.T
    # Activations are rounded to a 127th of the largest of their block, which is below four here.
    rounding = np.sqrt((weights**2).sum(axis=1)) * 4 / 127 / np.sqrt(12)
    assert np.sqrt(np.mean((found - expected) ** 2)) < np.sqrt(np.mean(rounding**2))


@pytest.mark.parametrize(
    ("kind", "stored", "loaded"),
    [(Kind.Q4_0, 5, 6), (Kind.Q4_K, 5.3125, 7), (Kind.Q6_K, 8.5625, 14), (Kind.Q8_0, 9, 10)],
)
def test_sizes_are_those_of_the_arrays_and_of_what_kernels_were_seen_to_pack(kind: Kind, stored: float, loaded: float):
    arrays = [values for name, values in initializers(kind, some_rows(kind)).items() if name != "weight.rows"]
    form = REPACKINGS[kind].form
    assert sum(values.nbytes for values in arrays) == form.bytes_per_value * ROWS * COLUMNS
    assert (form.bytes_per_value * 8, form.loaded_bytes_per_value * 8) == (stored, loaded)
