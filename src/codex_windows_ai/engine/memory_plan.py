"""What memory keys and values get on this machine, and the window that fits; decided before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from codex_windows_ai.engine.configuration import eighth_of_memory
from codex_windows_ai.errors import UnsupportedModelError
from codex_windows_ai.hardware.memory import read_memory
from codex_windows_ai.models.graph_check import ModelSizes
from codex_windows_ai.models.storage import LEAST_WINDOW
from codex_windows_ai.settings import KVPrecision

_OURS = 0.8
"""Of the machine's memory; the rest is other programs'."""
_LOADED = 1.5
"""Memory that loaded weights take at most, in sizes of their files: kernels pack them anew."""
_RUNNING = 0.75
"""Of what weights leave, for running sequences; the rest is for prefixes."""
_STEP = 256


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How an engine uses memory for a model."""

    window: int
    """Tokens of the longest sequence: the model's own window, or what fits."""
    half_precision: bool
    """Keys and values are float16."""
    token_bytes: int
    row_bytes: int
    """As in `EngineConfiguration`."""


def plan_memory(
    sizes: ModelSizes, window: int, precision: KVPrecision = "auto", *, total: int | None = None
) -> MemoryPlan:
    """Plans for a model with this window on a machine with `total` bytes of memory, by default this one.

    `auto` halves keys and values only where the window would not fit otherwise. Raises UnsupportedModelError: not even
    a window of `LEAST_WINDOW` fits, or `float16` is asked for and the model's own type is another.
    """
    total = read_memory().total if total is None else total
    room = int(max(total * _OURS - sizes.weights * _LOADED, total / 16) * _RUNNING)
    if precision == "float16" and not sizes.can_be_halved:
        raise UnsupportedModelError(
            "The model's keys and values are not float32, so they cannot be kept as float16.",
            hint="Set `kv_cache` to `auto`.",
        )
    half = precision == "float16" or (precision == "auto" and sizes.can_be_halved and window * sizes.token > room)
    token = sizes.token // 2 if half else sizes.token
    fitting = room // token // _STEP * _STEP
    if fitting < min(window, LEAST_WINDOW):
        raise UnsupportedModelError(
            f"This machine's memory, {total / 1e9:.1f} GB, holds the model's weights and {fitting} tokens.",
            hint="Use a smaller model.",
        )
    window = min(window, fitting)
    needed = -(-window // _STEP) * _STEP * token
    return MemoryPlan(window, half, token, max(needed, min(eighth_of_memory(total), room)))
