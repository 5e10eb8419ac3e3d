"""Lists of merges: as files have them, or as the scores of a SentencePiece vocabulary imply them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models.contents import shown
from codex_windows_ai.models.tokenizers.vocabulary import TokenKind

if TYPE_CHECKING:
    from codex_windows_ai.models.gguf.file import GgufFile
    from codex_windows_ai.models.tokenizers.vocabulary import Vocabulary


def read_merges(file: GgufFile) -> list[list[str]]:
    """The file's own list, each merge as its two tokens.

    The first of them may itself begin with a space: as in llama.cpp, the space that parts them is the first one behind
    the first character. Raises ModelFileError: a merge is not two tokens.
    """
    merges: list[list[str]] = []
    for merge in file.texts("tokenizer.ggml.merges"):
        place = merge.find(" ", 1)
        if place < 0 or place + 1 == len(merge):
            raise ModelFileError(f"{file.path}: the merge {shown(merge)} is not two tokens.")
        merges.append([merge[:place], merge[place + 1 :]])
    return merges


def merges_by_score(vocabulary: Vocabulary, scores: list[float]) -> list[list[str]]:
    """Every way to put a normal token together out of two others, the highest score first.

    SentencePiece's BPE merges the neighbours whose common text has the highest score, and of equal ones the leftmost
    (bpe_model.cc, Taku Kudo and John Richardson, arXiv 1808.06226); it never makes a control token, a byte or an unused
    token out of text. A list of merges does the same: the ways to one token have different places in it, but where they
    overlap, what was merged before leaves only one of them. Of tokens with equal scores the longest comes first, so
    that runs grow from the left (Llama 2's spaces all have one score).
    """
    normal = [number for number, kind in enumerate(vocabulary.kinds) if kind == TokenKind.NORMAL]
    normal.sort(key=lambda number: (-scores[number], -len(vocabulary.texts[number]), number))
    tokens = {vocabulary.texts[number]: vocabulary.texts[number] for number in normal}
    merges: list[list[str]] = []
    for number in normal:
        text = vocabulary.texts[number]
        for cut in range(1, len(text)):
            left, right = tokens.get(text[:cut]), tokens.get(text[cut:])
            if left is not None and right is not None:
                merges.append([left, right])
    return merges
