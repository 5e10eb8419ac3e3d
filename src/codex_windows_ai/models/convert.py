"""Converts a GGUF file of the Llama family into a folder in the ONNX Runtime GenAI format.

Weights become 8 bit (`quantization`), one slice of a tensor in memory at a time; no PyTorch. Two graphs
read them (`graph`); the one for processors is kept only where it answers as the portable one does.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models import attention, folder, graph
from codex_windows_ai.models.architecture import Architecture, read_architecture
from codex_windows_ai.models.external_data import ExternalDataWriter
from codex_windows_ai.models.gguf_file import GgufFile
from codex_windows_ai.models.progress import Progress
from codex_windows_ai.models.smoothing import SAMPLE, smoothing_factors
from codex_windows_ai.models.storage import require_space
from codex_windows_ai.models.tokenizer import Tokenizer, read_tokenizer
from codex_windows_ai.models.weights import WeightWriter, estimated_bytes, weight_matrices

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL = "model.onnx"
WEIGHTS = "model.onnx.data"

MOST_DIVERGENCE = 0.02
"""Of the two graphs, as mean KL in nats a token; the default model's is 0.003, and 4-bit weights would cost 0.3."""

_SMALL_FILES = 32_000_000  # generous room for the tokenizer and the graphs
_PROOF_TOKENS = 64


def convert(source: Path, target: Path, progress: Progress) -> None:
    """Writes the model of the GGUF file `source` into the empty folder `target`.

    `progress` counts tensors. Raises ModelNotFoundError or ModelFileError: no or no sound GGUF file.
    UnsupportedModelError: a model we cannot build. StorageError: not enough room on the disk.
    """
    with GgufFile(source) as file:
        architecture = read_architecture(file)
        tokenizer = read_tokenizer(file)
        matrices = weight_matrices(file, architecture)
        needed = estimated_bytes(architecture, matrices) + _SMALL_FILES
        require_space(target, needed, f"The conversion of {source.name}")
        progress("convert", 0, len(matrices))
        _write_configuration(target, architecture, tokenizer)
        sample = _sample_tokens(target, architecture)
        factors = smoothing_factors(file, architecture, sample)
        writer = ExternalDataWriter(target / WEIGHTS)
        try:
            WeightWriter(file, architecture, factors, writer).write(matrices, progress)
        finally:
            writer.close()
    for name, for_processors in ((MODEL, False), (folder.CPU_MODEL, True)):
        model = graph.build_model(graph.GraphSpec(architecture, for_processors), writer.tensors)
        (target / name).write_bytes(model.SerializeToString())
    _prove(target, architecture, np.array([sample[:_PROOF_TOKENS]], np.int64))
    progress("convert", len(matrices), len(matrices))


def _sample_tokens(target: Path, architecture: Architecture) -> list[int]:
    """The sample text in the model's own tokens; also proves that the tokenizer loads."""
    from tokenizers import Tokenizer as TokenizerLibrary

    try:
        tokens = TokenizerLibrary.from_file(str(target / folder.TOKENIZER)).encode(SAMPLE).ids
    except Exception as error:  # the library raises bare Exceptions
        raise ModelFileError(f"The converted tokenizer does not load: {error}") from error
    return tokens[: architecture.context_length] or [0]


def _write_configuration(target: Path, architecture: Architecture, tokenizer: Tokenizer) -> None:
    _write_json(target / folder.TOKENIZER, tokenizer.tokenizer)
    _write_json(target / folder.TOKENIZER_CONFIGURATION, tokenizer.configuration)
    if tokenizer.chat_template is not None:
        (target / folder.CHAT_TEMPLATE).write_text(tokenizer.chat_template, encoding="utf-8", newline="")
    _write_json(target / folder.CONFIGURATION, genai_config(architecture, tokenizer))


def _write_json(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8", newline="")


def genai_config(architecture: Architecture, tokenizer: Tokenizer) -> dict[str, Any]:
    """The folder's `genai_config.json`; its search section is plain greedy decoding."""
    special = tokenizer.special
    return {
        "model": {
            "bos_token_id": special.end[0] if special.bos is None else special.bos,
            "context_length": architecture.context_length,
            "decoder": {
                "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
                "filename": MODEL,
                "head_size": architecture.head_size,
                "hidden_size": architecture.hidden_size,
                "inputs": {
                    "input_ids": graph.INPUT_IDS,
                    "attention_mask": attention.ATTENTION_MASK,
                    "past_key_names": attention.PAST_KEY,
                    "past_value_names": attention.PAST_VALUE,
                },
                "outputs": {
                    "logits": graph.LOGITS,
                    "present_key_names": attention.PRESENT_KEY,
                    "present_value_names": attention.PRESENT_VALUE,
                },
                "num_attention_heads": architecture.heads,
                "num_hidden_layers": architecture.layers,
                "num_key_value_heads": architecture.kv_heads,
            },
            "eos_token_id": list(special.end),
            "pad_token_id": special.padding,
            "type": architecture.model_type,
            "vocab_size": architecture.vocabulary_size,
        },
        "search": {
            "do_sample": False,
            "max_length": architecture.context_length,
            "min_length": 0,
            "num_beams": 1,
            "num_return_sequences": 1,
            "past_present_share_buffer": True,
            "repetition_penalty": 1.0,
            "temperature": 1.0,
            "top_k": 1,
            "top_p": 1.0,
        },
    }


def _prove(target: Path, architecture: Architecture, tokens: NDArray[np.int64]) -> None:
    """Runs both graphs over [1, sequence] tokens, and deletes the one for processors if it answers otherwise.

    Raises ModelFileError: the portable graph does not run.
    """
    expected = _log_probabilities(target / MODEL, architecture, tokens)
    found = _log_probabilities(target / folder.CPU_MODEL, architecture, tokens)
    divergence = np.sum(np.exp(expected) * (expected - found), axis=-1)
    if divergence.mean() > MOST_DIVERGENCE:
        (target / folder.CPU_MODEL).unlink()


def _log_probabilities(model: Path, architecture: Architecture, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    """Of every next token, [1, sequence, vocabulary]. Raises ModelFileError: the model does not run."""
    onnxruntime: Any = importlib.import_module("onnxruntime")  # it carries no types

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # the optional input draws a warning
    options.add_session_config_entry(*folder.EXACT_SUMS)
    empty = np.zeros((1, architecture.kv_heads, 0, architecture.head_size), np.float32)
    feeds = {graph.INPUT_IDS: tokens, attention.ATTENTION_MASK: np.ones_like(tokens)}
    for layer in range(architecture.layers):
        feeds |= {attention.PAST_KEY % layer: empty, attention.PAST_VALUE % layer: empty}
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        logits = np.asarray(session.run([graph.LOGITS], feeds)[0], np.float32)
    except Exception as error:  # both libraries raise bare Exception subclasses of many kinds
        raise ModelFileError(f"The converted model {model.name} does not run: {error}") from error
    if logits.shape != (*tokens.shape, architecture.vocabulary_size) or not np.isfinite(logits).all():
        raise ModelFileError(f"The converted model answers with {logits.shape} values, not all of them numbers.")
    logits -= logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
