"""Token ids against a naive byte-pair merge over pieces cut by hand."""

import functools
import json
from itertools import pairwise
from pathlib import Path
from typing import cast

import gguf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import PreTokenizer

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.tokenizers.pre_tokenizers import PRE_TOKENIZERS
from codex_windows_ai.models.tokenizers.tokenizer_files import read_tokenizer
from tests.models.synthetic import CONTROL, MERGES, NORMAL, USER_DEFINED, Tiny, byte_alphabet
from tests.models.vocabulary_file import VocabularyFile


def tokenizer_of(tiny: Tiny, tmp_path: Path) -> Tokenizer:
    with GgufFile(tiny.write(tmp_path / "tiny.gguf")) as file:
        return Tokenizer.from_str(json.dumps(read_tokenizer(file).tokenizer))


def naive_tokens(piece: str) -> list[str]:
    """Merges the pair that is earliest in the list of merges until none is left."""
    alphabet = byte_alphabet()
    symbols = [alphabet[byte] for byte in piece.encode()]
    while True:
        pairs = [f"{left} {right}" for left, right in pairwise(symbols)]
        known = [MERGES.index(pair) for pair in pairs if pair in MERGES]
        if not known:
            return symbols
        place = pairs.index(MERGES[min(known)])
        symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]


CUTS = {
    "smollm": ["hello", " world", " ", "1", "2", "3", " it", "'s", "\n", "\n", "x", "!?", " ", " y"],
    "gpt-2": ["hello", " world", " 123", " it", "'s", "\n", "\n", "x", "!?", " ", " y"],
    "default": ["hello", " world", " ", "123", " it", "'", "s", "\n", "\n", "x", "!?", " ", " y"],
    "llama-bpe": ["hello", " world", " ", "123", " it", "'s", "\n\n", "x", "!?", " ", " y"],
    "smaug-bpe": ["hello", " world", " ", "123", " it", "'s", "\n\n", "x", "!?", " ", " y"],
    "glm4": ["hello", " world", " ", "123", " it", "'s", "\n\n", "x", "!?", " ", " y"],
    "qwen2": ["hello", " world", " ", "1", "2", "3", " it", "'s", "\n\n", "x", "!?", " ", " y"],
    "qwen35": ["hello", " world", " ", "1", "2", "3", " it", "'s", "\n\n", "x", "!?", " ", " y"],
    "gpt-4o": ["hello", " world", " ", "123", " it's", "\n\n", "x", "!?", " ", " y"],
    "tekken": ["hello", " world", " ", "1", "2", "3", " it", "'s", "\n\n", "x", "!?", " ", " y"],
}

_LLAMA_CUTS = (
    ["DON", "'T", " we", "'ll", " \u0928\u092e\u0938", "\u094d\u0924", "\u0947", " ÉcoleHTTPServer"],
    ["/b", "//\n\n", " ", " x", "!?\r\n", "\t", "\ty", " ,", "e", "\u0301", " "],
)
_CASED_CUTS = (
    [" \u0928\u092e\u0938\u094d\u0924\u0947", " École", "HTTPServer", " "],
    ["/b", "//\n\n", " ", " x", "!?\r\n", "\t", "\ty", " ,", "e\u0301", " "],
)
FINE_CUTS = {
    "llama-bpe": [*_LLAMA_CUTS[0], " ", "123", "45", " a", *_LLAMA_CUTS[1]],
    "glm4": [*_LLAMA_CUTS[0], " ", "123", "45", " a", *_LLAMA_CUTS[1]],
    "qwen2": [*_LLAMA_CUTS[0], " ", *"12345", " a", *_LLAMA_CUTS[1]],
    "qwen35": [
        *("DON", "'T", " we", "'ll", " \u0928\u092e\u0938\u094d\u0924\u0947", " ÉcoleHTTPServer", " ", *"12345", " a"),
        *_CASED_CUTS[1],
    ],
    "gpt-4o": ["DON'T", " we'll", *_CASED_CUTS[0], "123", "45", " a", *_CASED_CUTS[1]],
    "tekken": ["DON", "'T", " we", "'ll", *_CASED_CUTS[0], *"12345", " a", *_CASED_CUTS[1]],
}
"""Contractions in capitals, marks, capitals within words, digits, signs before letters, line ends."""


@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
def test_each_pre_tokenizer_cuts_as_its_models_do(pre: str, tmp_path: Path):
    tokenizer = tokenizer_of(Tiny(pre=pre, extra={"tokenizer.ggml.add_bos_token": False}), tmp_path)
    expected = [token for piece in CUTS[pre] for token in naive_tokens(piece)]
    assert tokenizer.encode("".join(CUTS[pre])).tokens == expected


@pytest.mark.parametrize("pre", FINE_CUTS)
def test_cases_marks_digits_and_line_ends_are_cut_as_the_model_cuts_them(pre: str, tmp_path: Path):
    cut = cast("PreTokenizer", tokenizer_of(Tiny(pre=pre), tmp_path).pre_tokenizer)
    text = "".join(FINE_CUTS[pre])
    pieces = [text[begin:end] for _, (begin, end) in cut.pre_tokenize_str(text)]
    assert pieces == FINE_CUTS[pre]


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ("deepseek-r1-qwen", "qwen2"),
        ("megrez", "qwen2"),
        ("llama3", "llama-bpe"),
        ("llama-v3", "llama-bpe"),
        ("falcon3", "llama-bpe"),
        ("pixtral", "llama-bpe"),
        ("dbrx", "smaug-bpe"),
        ("chatglm-bpe", "glm4"),
        ("llama4", "gpt-4o"),
        ("kanana2", "gpt-4o"),
        ("lfm2", "llama-bpe"),
        ("refact", "smollm"),
        ("starcoder", "smollm"),
        ("phi-2", "gpt-2"),
    ],
)
def test_other_names_of_the_same_rules_give_the_same_tokenizer(other: str, name: str, tmp_path: Path):
    assert tokenizer_of(Tiny(pre=other), tmp_path).to_str() == tokenizer_of(Tiny(pre=name), tmp_path).to_str()


def test_unknown_rules_are_refused_by_name_with_a_way_out(tmp_path: Path):
    with pytest.raises(UnsupportedModelError, match=r"`kimi-k2`.*llama-bpe, qwen2") as caught:
        tokenizer_of(Tiny(pre="kimi-k2"), tmp_path)
    assert "gguf-new-metadata --pre-tokenizer" in str(caught.value.hint)


def test_ids_are_places_in_the_files_list(tmp_path: Path):
    tiny = Tiny()
    encoding = tokenizer_of(tiny, tmp_path).encode("hello world")
    assert encoding.ids == [tiny.vocabulary().index(token) for token in ("hello", "Ġworld")]


def test_control_tokens_are_one_token_and_vanish_from_decoded_text(tmp_path: Path):
    tokenizer = tokenizer_of(Tiny(), tmp_path)
    assert tokenizer.encode("<|im_start|>hello<|im_end|>").ids == [1, Tiny().vocabulary().index("hello"), 2]
    assert tokenizer.decode([1, Tiny().vocabulary().index("hello"), 2]) == "hello"


def test_user_defined_tokens_are_one_token_and_stay_in_decoded_text(tmp_path: Path):
    tiny = Tiny(user_defined=("<tool_call>",))
    tokenizer = tokenizer_of(tiny, tmp_path)
    number = tiny.vocabulary().index("<tool_call>")
    assert tokenizer.encode("hello<tool_call>").ids[-1] == number
    assert tokenizer.decode([number]) == "<tool_call>"


@pytest.mark.parametrize("kinds", [None, [NORMAL] * 512])
def test_what_ends_a_turn_is_a_control_token_whatever_the_file_says(
    kinds: list[int] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    original = gguf.GGUFWriter.add_token_types

    def add_token_types(writer: gguf.GGUFWriter, written: list[int]) -> None:
        if kinds is not None:
            original(writer, kinds[: len(written)])

    monkeypatch.setattr(gguf.GGUFWriter, "add_token_types", add_token_types)

    with GgufFile(Tiny().write(tmp_path / "tiny.gguf")) as file:
        files = read_tokenizer(file)

    special = [token["content"] for token in files.tokenizer["added_tokens"] if token["special"]]
    assert special == ["<|endoftext|>", "<|im_end|>"]
    assert files.special.end == (2, 0)


@pytest.fixture(scope="module")
def shared_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tokenizer_of(Tiny(), tmp_path_factory.mktemp("tokenizer"))


@given(text=st.text(max_size=40))
def test_any_text_comes_back_from_its_tokens(text: str, shared_tokenizer: Tokenizer):
    shared_tokenizer.encode_special_tokens = True
    ids = shared_tokenizer.encode(text).ids
    assert shared_tokenizer.decode(ids, skip_special_tokens=False) == text


@pytest.mark.parametrize(("pre", "first"), [("llama-bpe", [1]), ("tekken", [1]), ("smollm", []), ("gpt-4o", [])])
def test_the_beginning_token_is_added_where_the_model_family_wants_it(pre: str, first: list[int], tmp_path: Path):
    ids = tokenizer_of(Tiny(pre=pre), tmp_path).encode("hello").ids
    assert ids == [*first, Tiny().vocabulary().index("hello")]


def test_glm_has_no_token_that_begins_a_text_whatever_the_file_says(tmp_path: Path):
    """As in llama.cpp: its files name `[gMASK]`, which its template writes itself."""
    with GgufFile(Tiny(pre="glm4", extra={"tokenizer.ggml.add_bos_token": True}).write(tmp_path / "glm.gguf")) as file:
        files = read_tokenizer(file)
    assert Tokenizer.from_str(json.dumps(files.tokenizer)).encode("hello").tokens == ["hello"]
    assert (files.special.bos, files.configuration["bos_token"]) == (None, None)


def test_merges_are_parted_at_the_first_space_behind_their_first_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def merged(merges: list[str]) -> list[list[str]]:
        monkeypatch.setattr(gguf.GGUFWriter, "add_token_merges", functools.partialmethod(_write_merges, merges))
        with GgufFile(Tiny().write(tmp_path / "merges.gguf")) as file:
            return read_tokenizer(file).tokenizer["model"]["merges"]

    assert merged(["h e", "  x", "a  b"]) == [["h", "e"], [" ", "x"], ["a", " b"]]
    for broken in ("he", "h ", " x", ""):
        with pytest.raises(ModelFileError, match="is not two tokens"):
            merged(["h e", broken])


def _write_merges(writer: gguf.GGUFWriter, merges: list[str], _: list[str]) -> None:
    writer.add_array("tokenizer.ggml.merges", merges)


def ends_of(tokens: dict[str, int], tmp_path: Path) -> list[str]:
    """Texts of the tokens at which answers end, where the file itself names `eos` alone."""
    texts = ["eos", *tokens]
    vocabulary = VocabularyFile(texts, [NORMAL, *tokens.values()], merges=["e o"], metadata={"eos_token_id": 0})
    with GgufFile(vocabulary.write(tmp_path / "ends.gguf")) as file:
        return [texts[number] for number in read_tokenizer(file).special.end[1:]]


def test_ends_of_turns_are_known_by_their_texts(tmp_path: Path):
    assert ends_of({"<|im_end|>": NORMAL, "<end_of_turn>": CONTROL, "<|start|>": CONTROL}, tmp_path) == [
        "<|im_end|>",
        "<end_of_turn>",
    ]
    assert ends_of({"<turn|>": CONTROL, "<|tool_response>": USER_DEFINED, "<eos>": CONTROL}, tmp_path) == [
        "<turn|>",
        "<eos>",
        "<|tool_response>",
    ]


def test_what_may_be_ordinary_text_ends_an_answer_only_as_a_control_token(tmp_path: Path):
    """Gemma 3 has `</s>` as HTML, Qwen2 as a word."""
    assert ends_of({"</s>": CONTROL}, tmp_path) == ["</s>"]
    assert ends_of({"</s>": USER_DEFINED, "<eos>": NORMAL, "<|fim_pad|>": NORMAL}, tmp_path) == []


def test_the_end_of_a_message_is_no_end_where_turns_have_several(tmp_path: Path):
    harmony = dict.fromkeys(["<|return|>", "<|call|>", "<|end|>"], CONTROL)
    assert ends_of(harmony, tmp_path) == ["<|return|>", "<|call|>"]
    assert ends_of({"<|end|>": CONTROL, "<|user|>": CONTROL}, tmp_path) == ["<|end|>"]


def test_glm_ends_its_turn_by_beginning_another(tmp_path: Path):
    assert ends_of({"<|user|>": CONTROL, "<|observation|>": CONTROL}, tmp_path) == ["<|user|>", "<|observation|>"]


def test_padding_of_the_vocabulary_is_never_found_in_text(tmp_path: Path):
    tiny = Tiny(user_defined=("[PAD269]", "[PAD1]"))
    tokenizer = tokenizer_of(tiny, tmp_path)
    assert tiny.vocabulary()[269:] == ["[PAD269]", "[PAD1]"]
    assert 269 not in tokenizer.encode("[PAD269]").ids
    assert tokenizer.encode("[PAD1]").ids == [270]  # somebody's own token


def test_a_token_twice_in_the_vocabulary_is_refused(tmp_path: Path):
    with pytest.raises(ModelFileError, match="1 tokens twice in its vocabulary, such as `hello`"):
        tokenizer_of(Tiny(user_defined=("hello",)), tmp_path)


def test_a_missing_name_of_the_pre_tokenizer_means_default(tmp_path: Path):
    tokens = tokenizer_of(Tiny(pre=None), tmp_path).encode("it's 123").tokens
    assert tokens == [token for piece in ("it", "'", "s", " ", "123") for token in naive_tokens(piece)]
