"""Keys and values as float16: half the memory, so twice the window, for a rounding that is measured.

Attention reads them so on processors, too, whatever the weights' products compute with. A graph with float32 keys and
values needs nothing but other types of its inputs and outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.models.convert.proof import divergence, sample_tokens

if TYPE_CHECKING:
    from pathlib import Path

    from codex_windows_ai.engine.model import Model
    from codex_windows_ai.engine.tokenizer import Tokenizer
    from codex_windows_ai.models.folder import ModelFolder

_SAMPLE_TOKENS = 128
_AT_ONCE = 16


def half_precision_graph(file: Path, folder: ModelFolder) -> bytes:
    """The graph of `file` with float16 keys and values; those that are something else than float32 stay."""
    from onnx import ModelProto, TensorProto

    model = ModelProto.FromString(file.read_bytes())
    patterns = (
        folder.past_key_names,
        folder.past_value_names,
        folder.present_key_names,
        folder.present_value_names,
    )
    names = {pattern % layer for pattern in patterns for layer in range(folder.layers)}
    for value in (*model.graph.input, *model.graph.output):
        tensor = value.type.tensor_type
        if value.name in names and tensor.elem_type == TensorProto.FLOAT:
            tensor.elem_type = TensorProto.FLOAT16
    return model.SerializeToString()


def measured_loss(model: Model, tokenizer: Tokenizer) -> float:
    """What rounding the past costs this model: mean KL in nats a token, over a text of code and prose.

    Read in one pass a text needs no past, and attention takes keys and values as they were computed; so the same
    graph tells with and without.
    """
    tokens = sample_tokens(tokenizer.encode_text, _SAMPLE_TOKENS)
    pool = HostPool(model.spec, model.spec.slot_bytes(2 * _SAMPLE_TOKENS) + (1 << 20))
    pool.reserve(1, _SAMPLE_TOKENS, kept=())
    half = _SAMPLE_TOKENS // 2
    expected = model.forward(pool, 0, tokens, [0], keep=half)[0]
    model.forward(pool, 0, tokens[:, :half], [0])
    losses = [
        divergence(
            expected[start - half : start - half + _AT_ONCE],
            model.forward(pool, 0, tokens[:, start : start + _AT_ONCE], [start], keep=_AT_ONCE)[0],
        )
        for start in range(half, _SAMPLE_TOKENS, _AT_ONCE)
    ]
    return float(np.mean(losses))
