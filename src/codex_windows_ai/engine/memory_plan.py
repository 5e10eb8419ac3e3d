"""One budget of memory for a model, divided before it is loaded: weights, scratch, slots, prefixes.

Weights and scratch come first, as bounds; what they leave is for keys and values, and recurrent states. Slots hold the
longest sequence at least; else slots and prefix cache get four parts each, the shared prefix one. Models with states
share no prefix; of what is left for prefixes half is for keys and values and half for checkpoints of the states, as a
prefix is of use where it has both.
"""

from __future__ import annotations

from dataclasses import dataclass

from codex_windows_ai.engine.configuration import EngineConfiguration, eighth_of_memory
from codex_windows_ai.errors import SettingsError, UnsupportedModelError
from codex_windows_ai.hardware.memory import read_memory
from codex_windows_ai.models.graph_check import ModelSizes
from codex_windows_ai.models.storage import LEAST_WINDOW
from codex_windows_ai.settings import KVPrecision

_OURS = 0.8
"""Of the machine's memory; the rest is other programs'."""
_LOADED = 1.6
"""Memory that loaded weights take at most, in sizes of their files: kernels pack them anew. What stays in the files is
not counted: the system takes it back where it needs the room."""
_RUNNING = 0.75
"""Of what weights and scratch leave, for running sequences at most; the rest is for prefixes."""
_PARTS, _SHARED_PARTS = 9, 1
_CACHE_PARTS = _SLOT_PARTS = (_PARTS - _SHARED_PARTS) // 2
_STEP = 256


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How an engine uses memory for a model; parts are bounds in bytes."""

    window: int
    """Tokens of the longest sequence: the model's own window, or what fits."""
    half_precision: bool
    """Keys and values are float16."""
    token_bytes: int
    weights: int
    scratch: int
    slots: int
    prefix_cache: int
    shared_prefix: int
    checkpoints: int = 0
    """Of recurrent states; 0 where the model has none."""
    pairs: int = 0
    """Tokens of a piece of a prompt, times those they see, for which `scratch` is enough; 0: any."""

    @property
    def parts(self) -> dict[str, int]:
        """What each part may take, by name."""
        names = ("weights", "scratch", "slots", "prefix_cache", "checkpoints" if self.checkpoints else "shared_prefix")
        return {name: getattr(self, name) for name in names}

    @property
    def budget(self) -> int:
        """What all parts may take together."""
        return sum(self.parts.values())

    def configure(self, threads: int | None, prefill_seconds: float) -> EngineConfiguration:
        """An engine that keeps to the plan."""
        return EngineConfiguration(
            threads=threads,
            prefill_seconds=prefill_seconds,
            row_bytes=self.slots,
            cache_bytes=self.prefix_cache,
            checkpoint_bytes=self.checkpoints,
            shared_bytes=self.shared_prefix,
            scratch_bytes=self.scratch,
            budget_bytes=self.budget,
            half_precision=self.half_precision,
            prefill_pairs=self.pairs,
        )


def plan_memory(
    sizes: ModelSizes,
    window: int,
    precision: KVPrecision = "auto",
    *,
    memory: int | None = None,
    total: int | None = None,
) -> MemoryPlan:
    """Plans for a model with this window on a machine with `total` bytes of memory, by default this one.

    The model may take `memory` bytes, weights and all; by default four fifths of the machine's, of which keys and
    values take at most nine 32nds and 4.5 GiB, unless a window needs more. `auto` halves keys and values only where
    the window would not fit otherwise.

    Raises UnsupportedModelError: not even a window of `LEAST_WINDOW` fits, or `float16` is asked for and the model's
    own type is another. SettingsError: `memory` is more than the machine has.
    """
    total = read_memory().total if total is None else total
    if memory is not None and memory > total:
        raise SettingsError(
            f"The setting `memory` is {memory / 1e9:.1f} GB, but this machine has {total / 1e9:.1f} GB.",
            hint="Set it to less; other programs need some of it, too.",
        )
    if precision == "float16" and not sizes.can_be_halved:
        raise UnsupportedModelError(
            "The model's keys and values are not float32, so they cannot be kept as float16.",
            hint="Set `kv_cache` to `auto`.",
        )
    rest = _rest(sizes, memory, total)
    room = int(rest * _RUNNING)
    whole = window * sizes.token + sizes.state
    half = precision == "float16" or (precision == "auto" and sizes.can_be_halved and whole > room)
    token = sizes.token // 2 if half else sizes.token
    fitting = max(room - sizes.state, 0) // token // _STEP * _STEP
    if fitting < min(window, LEAST_WINDOW):
        raise _too_small(memory, total, fitting)
    window = min(window, fitting)
    common = rest if memory is not None else min(rest, eighth_of_memory(total) * _PARTS // _SLOT_PARTS)
    slots = max(-(-window // _STEP) * _STEP * token + sizes.state, min(common * _SLOT_PARTS // _PARTS, room))
    shared = min(common * _SHARED_PARTS // _PARTS, (rest - slots) * _SHARED_PARTS // (_SHARED_PARTS + _CACHE_PARTS))
    cache = min(common * _CACHE_PARTS // _PARTS, rest - slots - shared)
    checkpoints = 0
    if sizes.state:
        cache, shared, checkpoints = (cache + shared) // 2, 0, (cache + shared) // 2
    # Bounds of weights and scratch are generous: a model that needs less is not refused for them.
    weights = min(_loaded(sizes), (memory or total) - rest - sizes.scratch)
    kept = slots, cache, shared, checkpoints
    return MemoryPlan(window, half, token, max(weights, 0), sizes.scratch, *kept, sizes.pairs)


def _loaded(sizes: ModelSizes) -> int:
    """Bytes of memory that the weights take at most."""
    return int((sizes.weights - sizes.mapped) * _LOADED) + sizes.mapped


def _rest(sizes: ModelSizes, memory: int | None, total: int) -> int:
    """What weights and scratch leave; without a setting a sixteenth of the machine at least."""
    fixed = _loaded(sizes) + sizes.scratch
    return max(memory - fixed, 0) if memory is not None else max(int(total * _OURS) - fixed, total // 16)


def _too_small(memory: int | None, total: int, fitting: int) -> UnsupportedModelError:
    if memory is not None:
        return UnsupportedModelError(
            f"The setting `memory`, {memory / 1e9:.1f} GB, holds the model's weights and {fitting} tokens.",
            hint="Set `memory` to more, or use a smaller model.",
        )
    return UnsupportedModelError(
        f"This machine's memory, {total / 1e9:.1f} GB, holds the model's weights and {fitting} tokens.",
        hint="Use a smaller model.",
    )
