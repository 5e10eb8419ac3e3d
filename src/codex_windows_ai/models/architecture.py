"""What a GGUF file of the Llama family says about its network.

Metadata keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Every feature that the
graph does not build is refused here, by name: a wrong answer is worse than none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from codex_windows_ai.errors import UnsupportedModelError
from codex_windows_ai.models.quantization import BLOCK_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codex_windows_ai.models.gguf_file import GgufFile

SUPPORTED_ARCHITECTURES = ("llama", "qwen2")
SUPPORTED_ROPE_SCALINGS = ("none", "linear")
_HEAD_SIZE_MULTIPLE = 16  # what GroupQueryAttention's rotary embedding asks for


@dataclass(frozen=True, slots=True)
class Architecture:
    """The hyperparameters of one network; sizes count elements."""

    model_type: str
    layers: int
    hidden_size: int
    feed_forward_size: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary_size: int
    context_length: int
    norm_epsilon: float
    rope_base: float
    rope_linear_factor: float
    interleaved_rope: bool
    """Query and key rows are stored for rotation of neighbours, as llama.cpp's `llama` files have them."""
    attention_bias: bool
    tied_embeddings: bool

    @property
    def query_size(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_size

    @property
    def key_size(self) -> int:
        """Width of all key (or value) heads together."""
        return self.kv_heads * self.head_size


def read_architecture(file: GgufFile) -> Architecture:
    """Reads and checks the hyperparameters.

    Raises UnsupportedModelError: another architecture or a feature outside it. ModelFileError: a value is missing.
    """
    name = file.architecture
    if name not in SUPPORTED_ARCHITECTURES:
        raise UnsupportedModelError(
            f"{file.path} has the architecture `{name}`; supported are {', '.join(SUPPORTED_ARCHITECTURES)}.",
            hint="Use a GGUF file of Llama 3, SmolLM2, Qwen2 or Qwen2.5, "
            "or a model folder in the ONNX Runtime GenAI format.",
        )
    _refuse_variants(file, name)
    heads = file.integer(f"{name}.attention.head_count")
    hidden_size = file.integer(f"{name}.embedding_length")
    architecture = Architecture(
        model_type=name,
        layers=file.integer(f"{name}.block_count"),
        hidden_size=hidden_size,
        feed_forward_size=file.integer(f"{name}.feed_forward_length"),
        heads=heads,
        kv_heads=file.integer(f"{name}.attention.head_count_kv", heads),
        head_size=file.integer(f"{name}.attention.key_length", hidden_size // max(heads, 1)),
        vocabulary_size=len(file.texts("tokenizer.ggml.tokens")),
        context_length=file.integer(f"{name}.context_length"),
        norm_epsilon=file.get(f"{name}.attention.layer_norm_rms_epsilon", float),
        rope_base=file.get(f"{name}.rope.freq_base", float, 10000.0),
        rope_linear_factor=file.get(f"{name}.rope.scaling.factor", float, 1.0),
        interleaved_rope=name == "llama",
        attention_bias="blk.0.attn_q.bias" in file.tensors,
        tied_embeddings="output.weight" not in file.tensors,
    )
    _check_sizes(file, architecture)
    return architecture


def _refuse_variants(file: GgufFile, name: str) -> None:
    scaling = file.text(f"{name}.rope.scaling.type", "none")
    if scaling not in SUPPORTED_ROPE_SCALINGS:
        raise UnsupportedModelError(
            f"{file.path} scales its rotary embedding by `{scaling}`; "
            f"supported are {', '.join(SUPPORTED_ROPE_SCALINGS)} and Llama 3's frequency factors."
        )
    for key in (f"{name}.expert_count", f"{name}.attention.sliding_window", "split.count"):
        value = file.integer(key, 0)
        if value > (key == "split.count"):  # a single part is whole
            raise UnsupportedModelError(f"{file.path} has `{key}` {value}; such models are not supported.")


def _check_sizes(file: GgufFile, found: Architecture) -> None:
    problems: list[str] = []
    sizes = (found.layers, found.hidden_size, found.feed_forward_size, found.heads, found.kv_heads, found.head_size)
    if min(sizes) < 1:
        problems.append("layers, widths and heads must be positive")
    elif found.heads % found.kv_heads:
        problems.append(f"{found.heads} heads do not share {found.kv_heads} key/value heads evenly")
    if found.hidden_size % BLOCK_SIZE or found.feed_forward_size % BLOCK_SIZE or found.query_size % BLOCK_SIZE:
        problems.append(f"widths must be multiples of {BLOCK_SIZE}")
    if found.head_size % _HEAD_SIZE_MULTIPLE:
        problems.append(f"the head size {found.head_size} must be a multiple of {_HEAD_SIZE_MULTIPLE}")
    name = found.model_type
    for key in ("rope.dimension_count", "attention.value_length"):
        value = file.integer(f"{name}.{key}", found.head_size)
        if value != found.head_size:
            problems.append(f"`{name}.{key}` is {value}, but the head size {found.head_size}")
    if problems:
        raise UnsupportedModelError(f"{file.path} cannot be run: {'; '.join(problems)}.")


def rotary_caches(file: GgufFile, architecture: Architecture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosines and sines, each [context_length, head_size / 2], of rotary position embedding (arXiv 2104.09864).

    The tensor `rope_freqs.weight` [head_size / 2] holds Llama 3's long-context factors, which divide the frequencies.
    """
    half = architecture.head_size // 2
    frequencies = architecture.rope_base ** (-np.arange(half, dtype=np.float64) / half)
    frequencies /= architecture.rope_linear_factor
    if "rope_freqs.weight" in file.tensors:
        frequencies /= file.read_rows(file.tensor("rope_freqs.weight", half))[0]
    angles = np.outer(np.arange(architecture.context_length, dtype=np.float64), frequencies)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
