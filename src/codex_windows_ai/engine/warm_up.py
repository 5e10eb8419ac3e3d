"""First uses, made while a model loads, so that the first prompt is read as fast as the tenth.

What is done once in a process costs the same however long a prompt is: modules that are loaded when they are needed,
code and weights that no page table has yet. So a few tokens do; scratch memory grows with the prompts that need it.
"""

from __future__ import annotations

import numpy as np

from codex_windows_ai.engine.kv.pool import PoolFactory
from codex_windows_ai.engine.model import Model
from codex_windows_ai.engine.sampling.sampler import Sampler
from codex_windows_ai.protocol.request import SamplingParameters

_PASSES = (2, 1)
"""New tokens of each: a prompt's attention, then decoding's."""
_POOL_TOKENS = 256


def warm_up(model: Model, make_pool: PoolFactory) -> None:
    """Has the model read and decode, and a token sampled, on memory of its own; figures stay as they are.

    Raises whatever a pass raises.
    """
    past, passes = 0, model.forward_passes
    pool = make_pool(model.spec, _POOL_TOKENS * model.spec.bytes_per_token, 0)
    pool.reserve(1, sum(_PASSES), kept=())
    sampler = Sampler(SamplingParameters(temperature=1.0, seed=0), model.vocabulary_size, np.zeros(0, dtype=np.int64))
    for new in _PASSES:
        logits = model.forward(pool, 0, np.zeros((1, new), dtype=np.int64), [past])
        past += new
        sampler.sample(logits[0, -1])
    pool.release()
    model.forward_passes = passes
