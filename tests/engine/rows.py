"""Small rows whose every number tells where it belongs, and sequences to put in them."""

from __future__ import annotations

import numpy as np

from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.kv.host_pool import HostPool, KVSpec
from codex_windows_ai.engine.kv.prefix_cache import BLOCK_TOKENS
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sequence import Sequence
from codex_windows_ai.protocol.request import SamplingParameters

SHAPE = KVSpec(layers=2, key_value_heads=2, head_size=3, dtype=np.dtype(np.float32))
STEP = HostPool.LENGTH_STEP


def rows_of(rows: int, length: int = STEP) -> HostPool:
    return HostPool(SHAPE, rows * length * SHAPE.bytes_per_token)


def block_of(value: float, tokens: int = BLOCK_TOKENS) -> np.ndarray:
    """Keys and values in which every number tells its token."""
    block = np.zeros((SHAPE.layers, 2, SHAPE.key_value_heads, tokens, SHAPE.head_size), dtype=np.float32)
    return block + value + np.arange(tokens, dtype=np.float32)[:, None] / 1000


def read(rows: HostPool, row: int, tokens: int, start: int = 0) -> np.ndarray:
    block = block_of(0, tokens)
    rows.read(row, start, block)
    return block


def new_sequence(
    core: EngineCore, prompt: int | tuple[int, ...] = 40, output: int = 8, *, seed: int | None = None
) -> Sequence:
    tokens = tuple(range(prompt)) if isinstance(prompt, int) else prompt
    request = EngineRequest(
        prompt=tuple(token % 256 for token in tokens),
        max_output_tokens=output,
        sampling=SamplingParameters(seed=seed),
    )
    return core.prepare(request, lambda _: None)
