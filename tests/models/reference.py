"""The naive oracle of the converter: a forward pass in numpy, straight from the GGUF file, in float32.

It follows llama.cpp's reading of the file and shares no code with the graph. Slow, for tests and measurements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from codex_windows_ai.models.families.registry import read_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from codex_windows_ai.models.gguf.file import GgufFile
    from codex_windows_ai.models.spec import AttentionSpec, DecoderSpec, RopeSpec

    Array = NDArray[np.float32]

ROTATES_NEIGHBOURS = frozenset({"llama"})
"""Architectures whose query and key rows llama.cpp rotates as neighbours (`LLAMA_ROPE_TYPE_NORM` in its
src/llama-model.cpp); those of all others it rotates as halves. Not read from a family's layout, which it checks."""


def forward(file: GgufFile, tokens: NDArray[np.int64]) -> Array:
    """Logits float32 [batch, sequence, vocabulary] of token ids [batch, sequence]."""
    spec = read_spec(file)
    hidden = final_states(file, spec, tokens, lambda name, values: None)
    head = "token_embd" if spec.tied_embeddings else "output"
    return hidden @ _weight(file, head).T


def final_states(
    file: GgufFile, spec: DecoderSpec, tokens: NDArray[np.int64], observe: Callable[[str, Array], None]
) -> Array:
    """What the last norm hands to the output projection, float32 [batch, sequence, hidden_size].

    `observe` is shown the output of every norm on the way, with the norm's name in the file.
    """
    embedding = file.tensors["token_embd.weight"]
    known, places = np.unique(tokens, return_inverse=True)
    rows = np.concatenate([file.read_rows(embedding, token, token + 1) for token in known.tolist()])
    hidden: Array = rows[places.reshape(tokens.shape)]
    for number, layer in enumerate(spec.layers):
        block = f"blk.{number}"
        normed = _norm(file, spec, f"{block}.attn_norm", hidden)
        observe(f"{block}.attn_norm", normed)
        hidden += _attention(file, layer.attention, block, normed)
        normed = _norm(file, spec, f"{block}.ffn_norm", hidden)
        observe(f"{block}.ffn_norm", normed)
        gate = normed @ _weight(file, f"{block}.ffn_gate").T
        up = normed @ _weight(file, f"{block}.ffn_up").T
        gated = np.asarray(gate / (1 + np.exp(-gate)) * up, np.float32)
        hidden += gated @ _weight(file, f"{block}.ffn_down").T
    normed = _norm(file, spec, "output_norm", hidden)
    observe("output_norm", normed)
    return normed


def _weight(file: GgufFile, name: str) -> Array:
    return file.read_rows(file.tensors[f"{name}.weight"])


def _norm(file: GgufFile, spec: DecoderSpec, name: str, values: Array) -> Array:
    """Root-mean-square norm (arXiv 1910.07467)."""
    mean_square = np.mean(np.square(values), axis=-1, keepdims=True, dtype=np.float32)
    scaled = values / np.sqrt(mean_square + np.float32(spec.norm_epsilon))
    return np.asarray(scaled, np.float32) * _weight(file, name)[0]


def _attention(file: GgufFile, spec: AttentionSpec, block: str, normed: Array) -> Array:
    """Causal attention in which several query heads share a key/value head (arXiv 2305.13245)."""
    batch, length, _ = normed.shape

    def heads(part: str, count: int) -> Array:
        product = normed @ _weight(file, f"{block}.attn_{part}").T
        if f"{block}.attn_{part}.bias" in file.tensors:
            product = product + file.read_rows(file.tensors[f"{block}.attn_{part}.bias"])[0]
        return product.reshape(batch, length, count, spec.head_size)

    share = spec.heads // spec.kv_heads
    query = _rotate(file, spec.rope, heads("q", spec.heads))
    key = np.repeat(_rotate(file, spec.rope, heads("k", spec.kv_heads)), share, axis=2)
    value = np.repeat(heads("v", spec.kv_heads), share, axis=2)
    scores = np.einsum("bqhd,bkhd->bhqk", query, key) / np.float32(np.sqrt(spec.head_size))
    scores += np.triu(np.full((length, length), -np.inf, np.float32), 1)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    context = np.einsum("bhqk,bkhd->bqhd", weights, value).reshape(batch, length, -1)
    return context @ _weight(file, f"{block}.attn_output").T


def _rotate(file: GgufFile, rope: RopeSpec, values: Array) -> Array:
    """Turns the pair i of each head's elements by position * base^(-2i / head_size), in the complex plane."""
    half = values.shape[-1] // 2
    frequencies = rope.base ** (-np.arange(half) / half) / rope.linear_factor
    if "rope_freqs.weight" in file.tensors:
        frequencies = frequencies / _weight(file, "rope_freqs")[0]
    angles = np.outer(np.arange(values.shape[1], dtype=np.float64), frequencies)
    turns = (np.cos(angles) + 1j * np.sin(angles))[:, None, :]
    if file.architecture in ROTATES_NEIGHBOURS:
        turned = (values[..., 0::2] + 1j * values[..., 1::2]) * turns
        pairs = np.stack([turned.real, turned.imag], axis=-1)
        return pairs.reshape(values.shape).astype(np.float32)
    turned = (values[..., :half] + 1j * values[..., half:]) * turns
    return np.concatenate([turned.real, turned.imag], axis=-1).astype(np.float32)
