"""SentencePiece vocabularies, against its algorithm written down naively."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as PlainTokenizer

from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.tokenizers.tokenizer_files import TokenizerFiles, read_tokenizer
from codex_windows_ai.models.tokenizers.vocabulary import TokenKind
from tests.models.vocabulary_file import VocabularyFile, sentence_piece

PIECES = [*"▁helowrd", "▁h", "el", "lo", "▁hel", "▁hello", "▁w", "or", "ld", "▁wor", "▁world"]
SCORES = {piece: -float(number) for number, piece in enumerate(reversed(PIECES))}


def files_of(vocabulary: VocabularyFile, tmp_path: Path) -> TokenizerFiles:
    with GgufFile(vocabulary.write(tmp_path / "vocabulary.gguf")) as file:
        return read_tokenizer(file)


def plain_tokenizer(vocabulary: VocabularyFile, tmp_path: Path) -> PlainTokenizer:
    return PlainTokenizer.from_str(json.dumps(files_of(vocabulary, tmp_path).tokenizer))


def our_tokenizer(vocabulary: VocabularyFile, tmp_path: Path, window: int | None = None) -> Tokenizer:
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(files_of(vocabulary, tmp_path).tokenizer), encoding="utf-8")
    return Tokenizer(file, window=window)


def naive_pieces(text: str, scores: dict[str, float]) -> list[str]:
    """Joins the neighbours whose common text has the highest score, the leftmost of equals, until none has one."""
    symbols = list(text.replace(" ", "▁"))
    while True:
        joined = [left + right for left, right in pairwise(symbols)]
        known = [(scores[text], -place) for place, text in enumerate(joined) if text in scores]
        if not known:
            break
        place = -max(known)[1]
        symbols[place : place + 2] = [joined[place]]
    spelled = [[symbol] if symbol in scores else [f"<0x{byte:02X}>" for byte in symbol.encode()] for symbol in symbols]
    return [piece for pieces in spelled for piece in pieces]


@pytest.mark.parametrize("text", ["hello world", "  hello", "hello é\n", "▁hello", "held owl", "", " "])
@pytest.mark.parametrize("prefixes", [True, False])
def test_text_becomes_the_pieces_of_the_highest_scores(text: str, prefixes: bool, tmp_path: Path):
    tokenizer = plain_tokenizer(sentence_piece(SCORES, add_space_prefix=prefixes), tmp_path)
    prefix = " " if prefixes and text else ""
    assert tokenizer.encode(text, add_special_tokens=False).tokens == naive_pieces(prefix + text, SCORES)
    assert tokenizer.decode(tokenizer.encode(text).ids) == text.replace("▁", " ")


@given(
    pieces=st.lists(st.text("ab", min_size=2, max_size=5), unique=True, max_size=12),
    texts=st.lists(st.text("abc ", max_size=24), min_size=1, max_size=8),
)
def test_any_vocabulary_merges_as_the_algorithm_says(pieces: list[str], texts: list[str]):
    scores = {piece: -float(number) for number, piece in enumerate([*"ab▁", *pieces])}
    with TemporaryDirectory() as folder:
        tokenizer = plain_tokenizer(sentence_piece(scores, add_space_prefix=False), Path(folder))
    for text in texts:
        assert tokenizer.encode(text, add_special_tokens=False).tokens == naive_pieces(text, scores)


def test_runs_of_equal_scores_grow_from_the_left(tmp_path: Path):
    """As Llama 2 has them: all runs of spaces, of up to 16, have one score."""
    scores = {"▁": -1.0, "x": -2.0, **{"▁" * length: -1e9 for length in (2, 4, 8, 3, 7, 5, 6, 16)}}
    tokenizer = plain_tokenizer(sentence_piece(scores, add_space_prefix=False), tmp_path)
    for length in range(1, 40):
        text = " " * length + "x"
        assert tokenizer.encode(text, add_special_tokens=False).tokens == naive_pieces(text, scores)


def test_text_never_becomes_a_control_token_a_byte_or_the_unknown_one(tmp_path: Path):
    """`</s>` could be put together out of `</` and `s>`, with the highest score of all."""
    scores = {
        piece: -float(number + 1) for number, piece in enumerate(["<", "/", "s", ">", "</", "s>", "<s", "u", "n"])
    }
    tokenizer = our_tokenizer(sentence_piece(scores, add_space_prefix=False), tmp_path)
    assert [tokenizer.bytes_of(token) for token in tokenizer.encode_text("</s><s>")] == [b"</", b"s>", b"<", b"s>"]
    assert tokenizer.encode_prompt("<s></s>") == [1, 2]


def test_user_defined_tokens_are_found_before_anything_is_merged(tmp_path: Path):
    """Spaces in them are spaces of the text, however the file writes them (Gemma 3 has runs of 2 to 31)."""
    vocabulary = sentence_piece(SCORES, user_defined=["▁▁▁", "  ", "\n\n"], add_space_prefix=False)
    tokenizer = plain_tokenizer(vocabulary, tmp_path)
    first = vocabulary.texts.index("▁▁▁")
    hello = vocabulary.texts.index("▁hello")
    assert tokenizer.encode("    hello\n\n", add_special_tokens=False).ids == [first, hello, first + 2]
    assert tokenizer.decode([first, first + 1, first + 2]) == "   " + "  " + "\n\n"


def test_phi_3_drops_white_space_behind_its_special_tokens(tmp_path: Path):
    """As its own tokenizer does: `<|user|>` and a new line is one token. Other architectures keep it."""
    vocabulary = sentence_piece({**SCORES, "<|user|>": 0.0, "<|end|>": 0.0})
    vocabulary.kinds = [*vocabulary.kinds[:-2], TokenKind.CONTROL, TokenKind.CONTROL]
    user, end = (vocabulary.texts.index(token) for token in ("<|user|>", "<|end|>"))
    hello, newline = vocabulary.texts.index("▁hello"), vocabulary.texts.index("<0x0A>")
    space = vocabulary.texts.index("▁")
    prompt = "<s> <|user|>\n \thello<|end|>\n"
    kept = our_tokenizer(vocabulary, tmp_path).encode_prompt(prompt)
    assert kept[:4] == [1, space, space, user]
    assert newline in kept
    vocabulary.architecture = "phi3"
    expected = [1, space, space, user, hello, end]
    assert our_tokenizer(vocabulary, tmp_path).encode_prompt(prompt) == expected
    assert plain_tokenizer(vocabulary, tmp_path).encode(prompt, add_special_tokens=False).ids == expected


def test_a_token_without_text_has_its_number_for_it(tmp_path: Path):
    vocabulary = sentence_piece({**SCORES, "": -99.0})
    last = len(vocabulary.texts) - 1
    assert files_of(vocabulary, tmp_path).tokenizer["model"]["vocab"][f"[EMPTY_{last}]"] == last


def test_the_beginning_is_marked_unless_the_file_says_no(tmp_path: Path):
    assert plain_tokenizer(sentence_piece(SCORES), tmp_path).encode("hello").tokens == ["<s>", "▁hello"]
    assert plain_tokenizer(sentence_piece(SCORES, add_bos_token=False), tmp_path).encode("hello").tokens == ["▁hello"]
    named = sentence_piece(SCORES, bos_token_id=259)
    assert plain_tokenizer(named, tmp_path).encode("h").tokens == [named.texts[259], "▁h"]


def test_a_file_that_names_no_end_has_that_of_sentence_piece(tmp_path: Path):
    assert files_of(sentence_piece(SCORES), tmp_path).special.end == (2,)


@pytest.mark.parametrize("prefixes", [True, False])
def test_a_long_text_is_cut_where_no_token_crosses(prefixes: bool, tmp_path: Path):
    vocabulary = sentence_piece(
        {**SCORES, ">▁</": -0.5, ">": -99, "▁<": -99, "<": -99, "/": -99}, add_space_prefix=prefixes
    )
    text = "hello world > </ " * 12_000 + "hello "
    expected = plain_tokenizer(vocabulary, tmp_path).encode(text, add_special_tokens=False).ids
    assert our_tokenizer(vocabulary, tmp_path).encode_text(text) == expected


def test_bytes_come_out_as_they_went_in(tmp_path: Path):
    tokenizer = our_tokenizer(sentence_piece(SCORES, add_space_prefix=False), tmp_path)
    text = "hello wörld\r\n\t😀 <0x41>"
    assert b"".join(map(tokenizer.bytes_of, tokenizer.encode_text(text))) == text.encode()


@pytest.mark.parametrize("model", ["gemma4", "llama"])
def test_gemma_4_has_merges_and_ollama_calls_it_llama(model: str, tmp_path: Path):
    vocabulary = sentence_piece(dict.fromkeys(PIECES, -1000.0), eos_token_id=2, add_bos_token=False)
    vocabulary.model, vocabulary.pre = model, None if model == "gemma4" else "gemma4"
    vocabulary.merges = ["e l", "l o", "▁ h", "▁ w", "o r"]
    tokenizer = plain_tokenizer(vocabulary, tmp_path)
    assert tokenizer.encode("hello worl").tokens == ["<s>", "h", "el", "lo", "▁w", "or", "l"]


def test_what_no_rule_is_known_for_is_refused(tmp_path: Path):
    with pytest.raises(UnsupportedModelError, match="removes repeated spaces"):
        files_of(sentence_piece(SCORES, remove_extra_whitespaces=True), tmp_path)
    unigram = sentence_piece(SCORES)
    unigram.model = "t5"
    with pytest.raises(UnsupportedModelError, match=r"kind `t5`; supported are `gpt2` .*`llama` .*`gemma4`"):
        files_of(unigram, tmp_path)


def test_lists_that_do_not_fit_are_refused(tmp_path: Path):
    short = sentence_piece(SCORES)
    assert short.scores is not None
    short.scores = short.scores[:-1]
    with pytest.raises(ModelFileError, match="277 tokens, but 276 scores"):
        files_of(short, tmp_path)
    unscored = sentence_piece(SCORES)
    unscored.scores = None
    with pytest.raises(ModelFileError, match=r"tokenizer\.ggml\.scores"):
        files_of(unscored, tmp_path)
    without = sentence_piece(SCORES)
    without.texts = [text.replace("<0x0A>", "<0x0a>") for text in without.texts]
    with pytest.raises(ModelFileError, match="lacks 1 of the 256 tokens for bytes, such as <0x0A>"):
        files_of(without, tmp_path)


def test_unused_and_padding_tokens_are_never_found_in_text(tmp_path: Path):
    vocabulary = sentence_piece({**SCORES, "[PAD277]": -10000.0})
    vocabulary.kinds = [*vocabulary.kinds[:-1], TokenKind.UNKNOWN]
    tokenizer = our_tokenizer(vocabulary, tmp_path)
    assert 277 not in tokenizer.encode_prompt("[PAD277]")
    assert tokenizer.vocabulary_size == 278
