"""The first passes of a model, made while it loads: what they find out of its kernels, and first uses.

What is done once in a process costs the same however long a prompt is: modules that are loaded when they are needed,
code and weights that no page table has yet. So a few tokens do, and the first prompt is read as fast as the tenth;
scratch memory grows with the prompts that need it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.pool import KVPool, PoolFactory
from codex_windows_ai.engine.model import Logits, Model
from codex_windows_ai.engine.sampling.sampler import Sampler
from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.hardware.inference import first_line
from codex_windows_ai.protocol.request import SamplingParameters

_SLOTS = 2
_READ = 2
"""Tokens of a prompt; behind them one is decoded."""


def rows_alike(model: Model) -> bool:
    """Whether a sequence that decodes alone gets the bits that it gets in a batch, on a processor.

    Kernels for a single row of activations may add in another order than those for several: those of ONNX Runtime
    1.32 do for 4-bit weights on x86 processors without AVX-512. Raises ModelFileError: the graph does not run.
    """
    tokens = np.array([[1], [1]], dtype=np.int64)  # alike, so that experts are read by two or by none
    try:
        with _own_memory(model, HostPool) as pool:
            batch, alone = (_second_token(model, pool, tokens[:rows]) for rows in (2, 1))
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        raise ModelFileError(f"The model in {model.file.parent} cannot answer: {first_line(error)}") from error
    return np.array_equal(batch[0], alone[0])


def _second_token(model: Model, pool: KVPool, tokens: npt.NDArray[np.int64]) -> Logits:
    """A step of one token [batch, 1]; behind another one where states must be behind something."""
    past = [1] * len(tokens)
    if model.spec.state_parts:
        model.forward(pool, 0, tokens, [0] * len(tokens))
    return model.forward(pool, 0, tokens, past)


def warm_up(model: Model, make_pool: PoolFactory) -> None:
    """Has the model read, and a token sampled; and decode, which on a processor `rows_alike` had it do.

    Raises whatever a pass raises.
    """
    sampler = Sampler(SamplingParameters(temperature=1.0, seed=0), model.vocabulary_size, np.zeros(0, dtype=np.int64))
    with _own_memory(model, make_pool) as pool:
        logits = model.forward(pool, 0, np.zeros((1, _READ), dtype=np.int64), [0])
        sampler.sample(logits[0, -1])
        if not model.computes_in_host_memory:
            model.forward(pool, 0, np.zeros((1, 1), dtype=np.int64), [_READ])


@contextmanager
def _own_memory(model: Model, make_pool: PoolFactory) -> Generator[KVPool]:
    """A pool for a few passes that nobody asked for: figures stay as they are."""
    passes = model.forward_passes
    pool = make_pool(model.spec, _SLOTS * model.spec.slot_bytes(HostPool.length_step), 0, 0)
    pool.reserve(_SLOTS, _READ + 1, kept=())
    try:
        yield pool
    finally:
        pool.release()
        model.forward_passes = passes
