import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from codex_windows_ai.models.blocks.products import BLOCK_SIZE
from codex_windows_ai.models.convert.quantization import QuantizedRows, quantize_rows, quantize_whole_rows


def dequantize_rows(rows: QuantizedRows) -> np.ndarray:
    """The float32 [rows, columns] that the kernels compute with."""
    centred = rows.codes.astype(np.float32) - rows.zero_points[:, :, None].astype(np.float32)
    return (centred * rows.scales[:, :, None]).reshape(len(rows.codes), -1)


@given(arrays(np.float32, (2, 2 * BLOCK_SIZE), elements=st.floats(-100, 100, width=32)))
def test_no_value_is_further_off_than_a_step_of_its_block(values: np.ndarray):
    blocks = values.reshape(2, -1, BLOCK_SIZE)
    steps = (np.maximum(blocks.max(2), 0) - np.minimum(blocks.min(2), 0)) / 255
    errors = np.abs(dequantize_rows(quantize_rows(values)) - values).reshape(blocks.shape)
    assert (errors <= steps[:, :, None] * 1.01 + 1e-30).all()


@given(arrays(np.float32, (3, 2 * BLOCK_SIZE), elements=st.floats(-100, 100, width=32)))
def test_whole_rows_have_one_scale_each_and_no_value_is_off_by_more_than_half_a_step(values: np.ndarray):
    rows = quantize_whole_rows(values)
    assert (rows.scales == rows.scales[:, :1]).all()
    assert (rows.zero_points == 128).all()
    steps = np.abs(values).max(axis=1, keepdims=True) / 127
    assert (np.abs(dequantize_rows(rows) - values) <= steps * 0.501 + 1e-30).all()


def test_a_block_of_zeros_stays_zero():
    assert not dequantize_rows(quantize_rows(np.zeros((1, BLOCK_SIZE), np.float32))).any()


@pytest.mark.parametrize("constant", [3.25, -0.5])
def test_a_constant_block_keeps_its_value(constant: float):
    values = np.full((1, BLOCK_SIZE), constant, np.float32)
    np.testing.assert_allclose(dequantize_rows(quantize_rows(values)), values, rtol=1e-6)


@pytest.mark.parametrize("kind", [Kind.Q4_0, Kind.Q5_0, Kind.Q8_0])
def test_weights_quantised_around_zero_come_back_as_they_were(kind: Kind):
    weights = np.random.default_rng(1).normal(0, 1, (64, 256)).astype(np.float32)
    values = gguf.quants.dequantize(gguf.quants.quantize(weights, kind), kind)
    np.testing.assert_allclose(dequantize_rows(quantize_rows(values)), values, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("kind", [Kind.Q4_1, Kind.Q5_1])
def test_weights_on_a_shifted_grid_lose_less_than_by_rounding_to_the_range(kind: Kind):
    weights = np.random.default_rng(1).normal(0, 1, (64, 256)).astype(np.float32)
    values = gguf.quants.dequantize(gguf.quants.quantize(weights, kind), kind)
    blocks = values.reshape(64, -1, BLOCK_SIZE)
    steps = (blocks.max(2) - blocks.min(2)) / 255
    rounding = np.sqrt(np.mean(steps**2) / 12)  # of a value that may lie anywhere
    errors = dequantize_rows(quantize_rows(values)) - values
    assert np.sqrt(np.mean(errors**2)) < rounding * 0.8
