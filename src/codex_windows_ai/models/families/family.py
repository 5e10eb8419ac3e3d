"""What a family is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters
from codex_windows_ai.models.gguf.layout import Layout
from codex_windows_ai.models.spec import DecoderSpec


@dataclass(frozen=True, slots=True)
class Family:
    """Models of one architecture."""

    name: str
    """The value of `general.architecture` in its files."""
    models: tuple[str, ...]
    """Well-known models of the family, as people call them."""
    read: Callable[[Hyperparameters], DecoderSpec]
    """What a file describes. Raises UnsupportedModelError: a feature that is not built. ModelFileError: no value."""
    layout: Layout = field(default_factory=Layout)
