"""The families that exist: a new one is its own file and one line here."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from codex_windows_ai.errors import UnsupportedModelError
from codex_windows_ai.models.blocks.decoder import Decoder, problems
from codex_windows_ai.models.contents import shown
from codex_windows_ai.models.families import (
    gemma,
    gemma4,
    gpt_oss,
    granite,
    lfm2,
    llama,
    mistral3,
    phi3,
    qwen2,
    qwen3,
    qwen35,
    smollm3,
)
from codex_windows_ai.models.families.refused import refuse_known
from codex_windows_ai.models.families.unread import refuse_unread
from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters

if TYPE_CHECKING:
    from codex_windows_ai.models.families.family import Family
    from codex_windows_ai.models.gguf.file import GgufFile
    from codex_windows_ai.models.spec import DecoderSpec

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        llama.FAMILY,
        qwen2.FAMILY,
        qwen3.FAMILY,
        qwen3.EXPERTS,
        qwen35.FAMILY,
        qwen35.EXPERTS,
        gemma.GEMMA2,
        gemma.GEMMA3,
        gemma4.FAMILY,
        mistral3.FAMILY,
        phi3.FAMILY,
        granite.FAMILY,
        gpt_oss.FAMILY,
        smollm3.FAMILY,
        lfm2.FAMILY,
    )
}

_LEAST_LIKENESS = 3  # letters with which the names of two architectures begin alike


def family_of(file: GgufFile) -> Family:
    """The family of a file. Raises UnsupportedModelError: none that exists here."""
    refuse_known(file, _known())
    family = FAMILIES.get(file.architecture)
    if family is None:
        raise UnsupportedModelError(
            f"{file.path} has the architecture {shown(file.architecture)}; supported are {', '.join(FAMILIES)}.",
            hint=_hint(file.architecture),
        )
    return family


def read_spec(file: GgufFile) -> DecoderSpec:
    """The decoder that a file describes, which the blocks can build.

    Raises UnsupportedModelError: another family, a feature that is not built, or something that nobody reads.
    ModelFileError: a value is missing.
    """
    parts = file.integer("split.count", 0)
    if parts not in (0, 1):  # a single part is whole
        raise UnsupportedModelError(
            f"{file.path} has `split.count` {parts}; such models are not supported.",
            hint="Merge the parts first: `llama-gguf-split --merge` of llama.cpp writes one file.",
        )
    family = family_of(file)  # parts behind the first name none
    metadata = Hyperparameters(file, family.layout)
    spec = family.read(metadata)
    if found := problems(spec):
        raise UnsupportedModelError(f"{file.path} cannot be run: {'; '.join(found)}.")
    refuse_unread(metadata, Decoder(spec), _hint(file.architecture))
    return spec


def _hint(architecture: str) -> str:
    """What to use instead: the nearest of kin first."""
    hint = _known()
    kin = max(FAMILIES.values(), key=lambda family: _likeness(family.name, architecture))
    if _likeness(kin.name, architecture) < _LEAST_LIKENESS:
        return hint
    return f"Of its kind {' and '.join(kin.models)} work. {hint}"


def _known() -> str:
    return f"Use a GGUF file of {known_models('or')}, or a model folder in the ONNX Runtime GenAI format."


def _likeness(one: str, other: str) -> int:
    """Letters with which both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def known_models(conjunction: str) -> str:
    """Well-known models of all families as a list for people: "A, B or C"."""
    *first, last = (model for family in FAMILIES.values() for model in family.models)
    return f"{', '.join(first)} {conjunction} {last}"
