"""Small pools whose every number tells where it belongs, and sequences to put in them."""

from __future__ import annotations

import numpy as np

from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS, KeysAndValues, KVSpec
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sequence import Sequence
from codex_windows_ai.protocol.request import SamplingParameters

SPEC = KVSpec((KeysAndValues(heads=2, head_size=3, dtype=np.dtype(np.float32)),) * 2)
STEP = HostPool.length_step


def pool_of(slots: int, length: int = STEP, *, blocks: int = 0) -> HostPool:
    token = SPEC.bytes_per_token
    return HostPool(SPEC, slots * length * token, blocks * BLOCK_TOKENS * token)


def block_of(value: float, tokens: int = BLOCK_TOKENS) -> np.ndarray:
    """Keys and values [layers, 2, heads, tokens, head size] in which every number tells its token."""
    block = np.zeros((2, 2, 2, tokens, 3), dtype=np.float32)
    return block + value + np.arange(tokens, dtype=np.float32)[:, None] / 1000


def read(pool: HostPool, slot: int, tokens: int, start: int = 0) -> np.ndarray:
    """What a slot holds of so many tokens."""
    return np.stack([layer[:, slot, :, start : start + tokens] for layer in pool.layers])


def write(pool: HostPool, slot: int, start: int, block: np.ndarray) -> None:
    """Puts `block` to the tokens from `start` on."""
    for layer, values in zip(pool.layers, block, strict=True):
        layer[:, slot, :, start : start + block.shape[3]] = values


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
