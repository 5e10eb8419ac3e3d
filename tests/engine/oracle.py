"""The engine as simple as can be: one request at a time, no cache, no batch, no speculation.

Tests hold the engine against it: a seeded request must give the same tokens in both, however busy
the engine is.
"""

from __future__ import annotations

import numpy as np

from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.answer import Delta


class Oracle:
    """Answers one request after another on the model of `core`, and uses nothing else of it."""

    def __init__(self, core: EngineCore) -> None:
        self._core = core

    def answer(self, request: EngineRequest) -> list[Delta]:
        """All deltas of the answer, the last with the reason and the figures.

        Raises what `Engine.submit` and its stream raise.
        """
        deltas: list[Delta | WindowsAiError] = []
        core = self._core
        sequence = core.prepare(request, deltas.append)
        pool = HostPool(core.model.spec, core.configuration.row_bytes)
        pool.resize(1, sequence.longest, kept=())
        sequence.start()
        while sequence.ending is None:
            length = sequence.next_chunk(sequence.remaining) if sequence.remaining > 0 else 1
            new = sequence.tokens[sequence.computed : sequence.computed + length]
            logits = core.model.forward(pool, 0, np.array([new], dtype=np.int64), [sequence.computed])
            sequence.advance(length, together=length)
            if sequence.computed == len(sequence.tokens):
                sequence.choose(logits[0, 0])
        sequence.finish(sequence.ending)
        return [delta for delta in deltas if isinstance(delta, Delta)]
