"""Converts a GGUF file into a folder in the ONNX Runtime GenAI format.

Quantised weights keep their size and values (`repacking`), others become 8 bits (`quantization`), one slice of a tensor
in memory at a time; no PyTorch. Two graphs read them (`graph`). Where these multiply differently, the CPU graph is kept
only if it answers as the portable one does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models import folder
from codex_windows_ai.models.blocks.decoder import Decoder
from codex_windows_ai.models.blocks.embedding import INPUT_IDS, LOGITS
from codex_windows_ai.models.contents import shown
from codex_windows_ai.models.convert import graph, proof
from codex_windows_ai.models.convert.calibration import smoothing_factors
from codex_windows_ai.models.convert.configuration import MODEL, write_configuration
from codex_windows_ai.models.convert.external_data import ExternalDataWriter
from codex_windows_ai.models.convert.float_pass import first_pass
from codex_windows_ai.models.convert.session import Session
from codex_windows_ai.models.convert.source import SourceWeights
from codex_windows_ai.models.convert.weights import (
    WeightWriter,
    check_window,
    choose_forms,
    memory_bytes,
    stored_bytes,
    token_bytes,
)
from codex_windows_ai.models.families.registry import family_of, read_spec
from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.precision import Precision
from codex_windows_ai.models.progress import Progress
from codex_windows_ai.models.storage import require_memory, require_space
from codex_windows_ai.models.tokenizers.tokenizer_files import read_tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEIGHTS = f"{MODEL}.data"

_SMALL_FILES = 32_000_000  # generous room for the tokenizer and the graphs
_PROOF_TOKENS = 64


TryChat = Callable[[Path], object]
"""Is shown a folder that has its tokenizer and its template, and no weights yet. Raises ModelError: these do not do."""


def convert(
    source: Path,
    target: Path,
    progress: Progress,
    try_chat: TryChat | None = None,
    *,
    precision: Precision = Precision.OWN,
) -> None:
    """Writes the model of the GGUF file `source` into the empty folder `target`.

    `progress` counts matrices; `try_chat` spares who waits minutes for a model that cannot be spoken to. Raises
    ModelNotFoundError or ModelFileError: no or no sound GGUF file. UnsupportedModelError: a model we cannot build, or
    too large for this machine. StorageError: no room on the disk. And as `try_chat`.
    """
    with GgufFile(source) as file:
        decoder = Decoder(read_spec(file))
        weights = SourceWeights(file, family_of(file).layout, decoder)
        weights.check()  # so the vocabulary is no longer than a tensor of the file
        tokenizer = read_tokenizer(file)
        forms = choose_forms(weights, precision)
        check_window(decoder, forms, str(source))
        require_memory(memory_bytes(decoder, forms), token_bytes(decoder), source.name, decoder.spec.context_length)
        require_space(target, stored_bytes(decoder, forms) + _SMALL_FILES, f"The conversion of {source.name}")
        matrices = len(decoder.matrices)
        write_configuration(target, decoder.spec, tokenizer)
        if try_chat:
            try_chat(target)
        progress("convert", 0, matrices)
        sample = _sample_tokens(target, decoder)
        factors = smoothing_factors(weights, sample) if forms.smoothed else {}
        output = ExternalDataWriter(target / WEIGHTS)
        try:
            WeightWriter(weights, forms, factors, output).write(progress)
        finally:
            output.close()
    for name, form in ((MODEL, graph.portable(forms)), (folder.CPU_MODEL, graph.for_cpu(forms))):
        (target / name).write_bytes(graph.build_model(decoder, form, output.tensors).SerializeToString())
    if forms.integers:
        _prove(target, decoder, sample[:_PROOF_TOKENS])
    progress("convert", matrices, matrices)


def _sample_tokens(target: Path, decoder: Decoder) -> list[int]:
    """The sample text in the model's own tokens; also proves that the tokenizer loads."""
    from tokenizers import Tokenizer

    try:
        tokens = Tokenizer.from_file(str(target / folder.TOKENIZER)).encode(proof.SAMPLE).ids
    except Exception as error:  # the library raises bare Exceptions
        raise ModelFileError(f"The tokenizer of the model does not load: {shown(str(error))}") from error
    return tokens[: decoder.spec.context_length] or [0]


def _prove(target: Path, decoder: Decoder, tokens: list[int]) -> None:
    """Runs both graphs, and deletes the CPU graph if it answers otherwise.

    Raises ModelFileError: a graph does not run.
    """
    expected, found = (_logits(target / name, decoder, tokens) for name in (MODEL, folder.CPU_MODEL))
    if proof.divergence(expected, found) > proof.MOST_DIVERGENCE:
        (target / folder.CPU_MODEL).unlink()


def _logits(model: Path, decoder: Decoder, tokens: list[int]) -> NDArray[np.float32]:
    """Of every next token, [1, sequence, vocabulary]. Raises ModelFileError: the model does not run."""
    feeds = {INPUT_IDS: np.array([tokens], np.int64)}
    for layer in decoder.layers:
        feeds |= first_pass(layer.attention.past, len(tokens))
    (logits,) = Session(str(model), model.name).run([LOGITS], feeds)
    if logits.shape != (1, len(tokens), decoder.spec.vocabulary_size) or not np.isfinite(logits).all():
        raise ModelFileError(f"The converted model answers with {logits.shape} values, not all of them numbers.")
    return logits
