"""Whether this machine can hold a model at all."""

from __future__ import annotations

from codex_windows_ai.errors import UnsupportedModelError
from codex_windows_ai.hardware.memory import read_memory

LEAST_WINDOW = 512
"""Tokens; with fewer a model is of no use."""
_MEGABYTE = 1_000_000


def require_memory(weights: int, token_bytes: int, name: str, window: int = LEAST_WINDOW) -> None:
    """Checks that the weights, and keys and values of the least useful window, fit into this machine's memory.

    `token_bytes` is what one token takes; `window` the model's own, where that is known. Raises UnsupportedModelError.
    """
    total, needed = read_memory().total, weights + min(window, LEAST_WINDOW) * token_bytes
    if needed > total:
        raise UnsupportedModelError(
            f"The model {name} needs {needed / _MEGABYTE:,.0f} MB of memory, weights and {min(window, LEAST_WINDOW)} "
            f"tokens, but this machine has {total / _MEGABYTE:,.0f} MB.",
            hint="Use a smaller model.",
        )
