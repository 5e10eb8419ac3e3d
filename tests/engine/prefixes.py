"""Agents whose prompts begin alike."""

from __future__ import annotations

import numpy as np

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.protocol.request import SamplingParameters
from tests.engine.clients import Client

PREFIX = tuple(int(token) for token in np.random.default_rng(3).integers(0, 256, 100))
SHARED = 96  # whole steps in PREFIX
OWN = ((1, 2, 3), (7, 8), (5, 6, 7, 8), (9, 9))


def start(folder: ModelFolder, **changes: int) -> EngineCore:
    values = {"threads": 1, "max_sequences": 6, "shared_saving": 32}
    return EngineCore(folder, EngineConfiguration(**(values | changes)))


def submit(
    core: EngineCore,
    own: tuple[int, ...],
    seed: int | None = None,
    tokens: int = 12,
    prefix: tuple[int, ...] = PREFIX,
) -> Client:
    """An agent whose prompt is `prefix` and what is its own."""
    request = EngineRequest(
        prefix + own,
        max_output_tokens=tokens,
        sampling=SamplingParameters(seed=seed),
        top_logprobs=0,
        agent=str(own),
    )
    return Client(core, request)


def read_all(core: EngineCore) -> None:
    """Steps until every prompt is read."""
    while len(core.scheduler.waiting) or len(core.slots.decoding) < len(core.slots):
        core.step()
