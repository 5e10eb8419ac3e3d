"""The rotary embedding of a GGUF file, with its scaling for long contexts as one divisor for each frequency.

What keys and tensors mean is what llama.cpp's src/llama-context.cpp and ggml's `rope_yarn` make of them.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.contents import shown
from codex_windows_ai.models.spec import RopeSpec

if TYPE_CHECKING:
    from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters

SCALINGS = ("none", "linear", "yarn", "longrope")
_BASES, _NUMBERS = (1.0, 1e15), (1e-6, 1e6)
"""Far beyond what models have, and near enough for all arithmetic to stay finite."""
_UNTURNED = struct.unpack("f", struct.pack("f", 1e30))[0]
"""The factor that stands for pairs that do not turn at all in Gemma 4's files, as float32 has it."""
_FACTORS, _LONG_FACTORS, _SHORT_FACTORS = (f"rope_{kind}.weight" for kind in ("freqs", "factors_long", "factors_short"))


def read_base(metadata: Hyperparameters, key: str = "rope.freq_base") -> float:
    """What the frequencies are powers of."""
    return metadata.number(key, _BASES, 10000.0)


def read_size(metadata: Hyperparameters) -> int:
    """Elements of a head that are turned. Raises UnsupportedModelError: more than there are."""
    head_size = metadata.head_size()
    if (size := metadata.size("rope.dimension_count", head_size)) > head_size:
        raise UnsupportedModelError(
            f"{metadata.file.path} cannot be run: of heads of {head_size} elements {size} cannot be turned."
        )
    return size


def read_rope(metadata: Hyperparameters, *, whole_pairs: bool = True) -> RopeSpec:
    """The rotary embedding; YaRN's ramp goes from one of its `whole_pairs` to another, or begins and ends between them.

    Raises UnsupportedModelError: a scaling that is not built. ModelFileError: bad values.
    """
    scaling = metadata.file.text(metadata.key("rope.scaling.type"), "linear")
    if scaling not in SCALINGS:
        raise UnsupportedModelError(
            f"{metadata.file.path} scales its rotary embedding by {shown(scaling)}; "
            f"supported are {', '.join(SCALINGS)} and Llama 3's frequency factors.",
            hint="Use the model's own file, without a window that was made longer than it was trained with.",
        )
    size, base, factor = read_size(metadata), read_base(metadata), _factor(metadata)
    divisors = _frequency_factors(metadata, size // 2) or [1.0] * (size // 2)
    magnitude = metadata.number("rope.scaling.attn_factor", _NUMBERS, 1.0)
    if scaling == "linear":
        divisors = [divisor * factor for divisor in divisors]
    elif scaling == "yarn":
        steps = _yarn_divisors(metadata, size, base, factor, whole_pairs=whole_pairs)
        divisors = [divisor * step for divisor, step in zip(divisors, steps, strict=True)]
        magnitude *= _yarn_magnitude(metadata, factor)
    return RopeSpec(size, base, tuple(divisors) if any(divisor != 1 for divisor in divisors) else (), magnitude)


def _factor(metadata: Hyperparameters) -> float:
    """By how much positions are closer together than trained; 0 stands for 1."""
    older = metadata.file.get(metadata.key("rope.scale_linear"), float, 0.0)
    factor = metadata.file.get(metadata.key("rope.scaling.factor"), float, older)
    if factor == 0:
        return 1.0
    return metadata.number("rope.scaling.factor", _NUMBERS, factor)


def trained_length(metadata: Hyperparameters) -> int:
    """Tokens of a window as it was before it was made longer."""
    return metadata.size("rope.scaling.original_context_length", metadata.size("context_length"))


def _yarn_divisors(
    metadata: Hyperparameters, size: int, base: float, factor: float, *, whole_pairs: bool
) -> list[float]:
    """YaRN's (arXiv 2309.00071, section 3.2): `factor` for slow frequencies, 1 for fast ones, between them a ramp."""
    length = trained_length(metadata)

    def pair_that_turns(key: str, often: float) -> float:  # so often within the length
        turns = metadata.number(f"rope.scaling.yarn_{key}", _NUMBERS, often)
        return size * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(max(base, 1 + 1e-6)))

    first, last = pair_that_turns("beta_fast", 32.0), pair_that_turns("beta_slow", 1.0)
    if whole_pairs:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, size - 1)
    slow = (min(max((pair - first) / max(last - first, 0.001), 0.0), 1.0) for pair in range(size // 2))
    return [1 / (1 - share * (1 - 1 / factor)) for share in slow]


def _yarn_magnitude(metadata: Hyperparameters, factor: float) -> float:
    """YaRN's attention factor: the model's own, or what the paper gives, less what its log multiplier takes back."""
    multiplier = metadata.number("rope.scaling.yarn_log_multiplier", (0.0, 1e3), 0.0)
    grown = 0.1 * math.log(max(factor, 1.0))
    otherwise = (1 + grown) / (1 + multiplier * grown)
    return metadata.number("rope.scaling.yarn_attn_factor", _NUMBERS, otherwise)


def _frequency_factors(metadata: Hyperparameters, count: int) -> list[float]:
    """Llama 3's, or LongRoPE's: for all positions the long ones, where the window is longer than trained with."""
    file = metadata.file
    is_long = metadata.size("context_length") > trained_length(metadata)
    metadata.asked.update((_FACTORS, _LONG_FACTORS, _SHORT_FACTORS))
    for name in (_FACTORS, _LONG_FACTORS if is_long else _SHORT_FACTORS):
        if name not in file.tensors:
            continue
        factors = [float(value) for value in file.read_rows(file.tensor(name, count))[0]]
        least, most = _NUMBERS
        if not all(least <= factor <= most or factor == _UNTURNED for factor in factors):
            raise ModelFileError(f"{file.path}: `{name}` must hold values from {least:g} to {most:g}.")
        return [math.inf if factor == _UNTURNED else factor for factor in factors]
    return []
