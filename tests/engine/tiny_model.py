"""A real Llama-family model small enough for thousands of steps: random weights, 2 layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind

from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.precision import Precision
from codex_windows_ai.models.store import ModelStore

LAYERS, HIDDEN, FEED_FORWARD, HEADS, KEY_VALUE_HEADS, CONTEXT = 2, 64, 96, 4, 2, 512
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


MERGES = ("t h", "th e")


def vocabulary(more: tuple[str, ...] = (), merges: Sequence[str] = MERGES) -> list[str]:
    """The 256 byte tokens, the merged ones and the special ones; `more` are tokens of text."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    letters = {byte: chr(byte) for byte in printable} | {byte: chr(0x100 + n) for n, byte in enumerate(others)}
    merged = dict.fromkeys(merge.replace(" ", "") for merge in merges)
    return [*(letters[byte] for byte in range(256)), *merged, "<|endoftext|>", "<|im_start|>", "<|im_end|>", *more]


def write_gguf(
    file: Path,
    seed: int = 0,
    context: int = CONTEXT,
    *,
    kind: Kind = Kind.F32,
    template: str = TEMPLATE,
    more: tuple[str, ...] = (),
    merges: Sequence[str] = MERGES,
) -> None:
    """Writes the model, with matrices of this kind; the same seed gives the same file.

    `merges` are those of the tokenizer, `more` further tokens of text.
    """
    random = np.random.default_rng(seed)
    tokens = vocabulary(more, merges)
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(context)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_VALUE_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([4 if token in more else 3 if token.startswith("<|") else 1 for token in tokens])
    writer.add_token_merges(list(merges))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_chat_template(template)

    def matrix(name: str, rows: int, columns: int, scale: float = 1.0) -> None:
        values = (scale * random.standard_normal((rows, columns)) / columns**0.5).astype(np.float32)
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    matrix("token_embd.weight", len(tokens), HIDDEN, scale=HIDDEN**0.5)
    key_size = HIDDEN // HEADS * KEY_VALUE_HEADS
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(HIDDEN, dtype=np.float32))
        matrix(f"blk.{layer}.attn_q.weight", HIDDEN, HIDDEN, scale=2.0)
        matrix(f"blk.{layer}.attn_k.weight", key_size, HIDDEN, scale=2.0)
        matrix(f"blk.{layer}.attn_v.weight", key_size, HIDDEN)
        matrix(f"blk.{layer}.attn_output.weight", HIDDEN, HIDDEN)
        matrix(f"blk.{layer}.ffn_gate.weight", FEED_FORWARD, HIDDEN)
        matrix(f"blk.{layer}.ffn_up.weight", FEED_FORWARD, HIDDEN)
        matrix(f"blk.{layer}.ffn_down.weight", HIDDEN, FEED_FORWARD)
    writer.add_tensor("output_norm.weight", np.ones(HIDDEN, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_tiny_model(
    folder: Path,
    context: int = CONTEXT,
    *,
    kind: Kind = Kind.F32,
    precision: Precision = Precision.OWN,
    template: str = TEMPLATE,
    more: tuple[str, ...] = (),
    merges: Sequence[str] = MERGES,
) -> ModelFolder:
    """Writes and converts the model below `folder`.

    `context` is its window in tokens: nearly characters, unless `merges` are a real tokenizer's.
    """
    file = folder / "tiny.gguf"
    write_gguf(file, context=context, kind=kind, template=template, more=more, merges=merges)
    return ModelStore(folder / "models").add(file, name="tiny", precision=precision)
