"""Converts a GGUF file into a folder in the ONNX Runtime GenAI format.

Quantised weights keep their size and values (`repacking`), others become 8 bits (`quantization`), one slice of a tensor
in memory at a time; no PyTorch. Two graphs read them (`graph`). What the CPU graph multiplies as integers is chosen by
what that loses (`integers`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models import folder
from codex_windows_ai.models.blocks.decoder import Decoder
from codex_windows_ai.models.contents import shown
from codex_windows_ai.models.convert import graph, proof
from codex_windows_ai.models.convert.calibration import calibrate
from codex_windows_ai.models.convert.configuration import MODEL, write_configuration
from codex_windows_ai.models.convert.external_data import ExternalDataWriter
from codex_windows_ai.models.convert.float_pass import head_logits
from codex_windows_ai.models.convert.integers import IntegerChoice
from codex_windows_ai.models.convert.source import SourceWeights
from codex_windows_ai.models.convert.weights import (
    WeightWriter,
    check_window,
    choose_forms,
    matrix_count,
    memory_bytes,
    state_bytes,
    stored_bytes,
    token_bytes,
)
from codex_windows_ai.models.families.registry import family_of, read_spec
from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.precision import Precision
from codex_windows_ai.models.progress import Progress
from codex_windows_ai.models.storage import require_memory, require_space
from codex_windows_ai.models.tokenizers.tokenizer_files import read_tokenizer

WEIGHTS = f"{MODEL}.data"

_SMALL_FILES = 32_000_000  # generous room for the tokenizer and the graphs
_PROOF_TOKENS = 128


TryChat = Callable[[Path], object]
"""Is shown a folder that has its tokenizer and its template, and no weights yet. Raises ModelError: these do not do."""


def convert(
    source: Path,
    target: Path,
    progress: Progress,
    try_chat: TryChat | None = None,
    *,
    precision: Precision = Precision.OWN,
) -> tuple[str, ...]:
    """Writes the model of the GGUF file `source` into the empty folder `target`; what its user should know of it.

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
        memory = memory_bytes(decoder, forms) + state_bytes(decoder)
        require_memory(memory, token_bytes(decoder), source.name, decoder.spec.context_length)
        require_space(target, stored_bytes(decoder, forms) + _SMALL_FILES, f"The conversion of {source.name}")
        matrices = matrix_count(decoder)
        write_configuration(target, decoder.spec, tokenizer)
        if try_chat:
            try_chat(target)
        progress("convert", 0, matrices)
        sample = _sample_tokens(target, decoder)
        calibration = calibrate(weights, sample) if forms.smoothed else None
        truth = head_logits(weights, calibration.final[:_PROOF_TOKENS]) if calibration and forms.whole_rows else None
        output = ExternalDataWriter(target / WEIGHTS)
        try:
            factors = calibration.factors if calibration else {}
            remarks = WeightWriter(weights, forms, factors, output).write(progress)
        finally:
            output.close()
    for name, form in ((MODEL, graph.portable(forms)), (folder.CPU_MODEL, graph.for_cpu(forms))):
        (target / name).write_bytes(graph.build_model(decoder, form, output.tensors).SerializeToString())
    if truth is not None:
        choice = IntegerChoice(target, decoder, forms, output.tensors).choose(sample[:_PROOF_TOKENS], truth)
        remarks += (choice.remark,)
    progress("convert", matrices, matrices)
    return remarks


def _sample_tokens(target: Path, decoder: Decoder) -> list[int]:
    """The sample text in the model's own tokens; also proves that the tokenizer loads."""
    from tokenizers import Tokenizer

    try:
        tokens = Tokenizer.from_file(str(target / folder.TOKENIZER)).encode(proof.SAMPLE).ids
    except Exception as error:  # the library raises bare Exceptions
        raise ModelFileError(f"The tokenizer of the model does not load: {shown(str(error))}") from error
    return tokens[: decoder.spec.context_length] or [0]
