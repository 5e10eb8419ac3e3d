"""GGUF files with a tokenizer and nothing else, as converters write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf

from codex_windows_ai.models.tokenizers.vocabulary import TokenKind

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


@dataclass
class VocabularyFile:
    """What is written; lists that are None are left out."""

    texts: Sequence[str]
    kinds: Sequence[int]
    scores: Sequence[float] | None = None
    merges: Sequence[str] | None = None
    model: str = "gpt2"
    pre: str | None = None
    architecture: str = "llama"
    metadata: dict[str, int | bool] = field(default_factory=dict[str, Any])
    """Of `tokenizer.ggml.`."""

    def write(self, path: Path) -> Path:
        writer = gguf.GGUFWriter(path, self.architecture)
        writer.add_context_length(4096)  # llama.cpp wants these, even to read its tokens alone
        writer.add_block_count(1)
        writer.add_embedding_length(64)
        writer.add_feed_forward_length(64)
        writer.add_head_count(1)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_vocab_size(len(self.texts))
        writer.add_tokenizer_model(self.model)
        if self.pre is not None:
            writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.texts)
        writer.add_token_types(self.kinds)
        if self.scores is not None:
            writer.add_token_scores([float(score) for score in self.scores])
        if self.merges is not None:
            writer.add_token_merges(list(self.merges))
        for name, value in self.metadata.items():
            (writer.add_bool if isinstance(value, bool) else writer.add_uint32)(f"tokenizer.ggml.{name}", value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path


def sentence_piece(
    pieces: dict[str, float], *, user_defined: Sequence[str] = (), **metadata: int | bool
) -> VocabularyFile:
    """A vocabulary as SentencePiece trains it: `<unk>`, `<s>`, `</s>`, 256 bytes, what is user-defined, then pieces."""
    first = ["<unk>", "<s>", "</s>"]
    kinds = [TokenKind.UNKNOWN, TokenKind.CONTROL, TokenKind.CONTROL, *[TokenKind.BYTE] * 256]
    return VocabularyFile(
        texts=[*first, *BYTES, *user_defined, *pieces],
        kinds=[*kinds, *[TokenKind.USER_DEFINED] * len(user_defined), *[TokenKind.NORMAL] * len(pieces)],
        scores=[*[0.0] * (len(first) + 256 + len(user_defined)), *pieces.values()],
        model="llama",
        pre="default",
        metadata=metadata,
    )
