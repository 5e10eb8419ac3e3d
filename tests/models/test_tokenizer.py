"""Token ids against a naive byte-pair merge over pieces cut by hand."""

import json
from itertools import pairwise
from pathlib import Path

import gguf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.tokenizers.gguf_bpe import read_tokenizer
from codex_windows_ai.models.tokenizers.pre_tokenizers import PRE_TOKENIZERS
from tests.models.synthetic import MERGES, NORMAL, Tiny, byte_alphabet


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
    "qwen2": ["hello", " world", " ", "1", "2", "3", " it", "'s", "\n\n", "x", "!?", " ", " y"],
}


@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
def test_each_pre_tokenizer_cuts_as_its_models_do(pre: str, tmp_path: Path):
    tokenizer = tokenizer_of(Tiny(pre=pre, extra={"tokenizer.ggml.add_bos_token": False}), tmp_path)
    expected = [token for piece in CUTS[pre] for token in naive_tokens(piece)]
    assert tokenizer.encode("".join(CUTS[pre])).tokens == expected


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
        ("starcoder", "smollm"),
        ("phi-2", "gpt-2"),
    ],
)
def test_other_names_of_the_same_rules_give_the_same_tokenizer(other: str, name: str, tmp_path: Path):
    assert tokenizer_of(Tiny(pre=other), tmp_path).to_str() == tokenizer_of(Tiny(pre=name), tmp_path).to_str()


def test_unknown_rules_are_refused_by_name_with_a_way_out(tmp_path: Path):
    with pytest.raises(UnsupportedModelError, match=r"`tekken`.*llama-bpe, qwen2") as caught:
        tokenizer_of(Tiny(pre="tekken"), tmp_path)
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


@pytest.mark.parametrize(("pre", "first"), [("llama-bpe", [1]), ("smollm", [])])
def test_the_beginning_token_is_added_where_the_model_family_wants_it(pre: str, first: list[int], tmp_path: Path):
    ids = tokenizer_of(Tiny(pre=pre), tmp_path).encode("hello").ids
    assert ids == [*first, Tiny().vocabulary().index("hello")]


def test_a_token_twice_in_the_vocabulary_is_refused(tmp_path: Path):
    with pytest.raises(ModelFileError, match="1 tokens twice"):
        tokenizer_of(Tiny(user_defined=("hello",)), tmp_path)


def test_a_missing_name_of_the_pre_tokenizer_means_default(tmp_path: Path):
    tokens = tokenizer_of(Tiny(pre=None), tmp_path).encode("it's 123").tokens
    assert tokens == [token for piece in ("it", "'", "s", " ", "123") for token in naive_tokens(piece)]
