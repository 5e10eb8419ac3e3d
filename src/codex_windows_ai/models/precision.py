"""How much of a model file's precision its converted weights keep."""

from __future__ import annotations

from enum import StrEnum


class Precision(StrEnum):
    """What becomes of the weights of a GGUF file."""

    OWN = "own"
    """Quantised weights keep their size and their values; floating-point numbers are rounded to 8 bits."""
    FLOAT = "float"
    """Floating-point numbers keep their size and their values, too, and are multiplied as float32."""
    EIGHT_BITS = "8bit"
    """All are rounded to 8 bits, so that processors read prompts, and many agents' answers, as integers."""
