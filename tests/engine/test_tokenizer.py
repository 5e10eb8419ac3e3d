"""Text to tokens and back: text is data, and no character is ever split."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as PlainTokenizer

from codex_windows_ai.engine.tokenizer import Detokenizer, Tokenizer
from codex_windows_ai.errors import InvalidRequestError, ModelFileError, UnsupportedModelError
from codex_windows_ai.models.folder import ModelFolder

SPECIAL = ("<|im_end|>", "<|im_start|>", "<|endoftext|>")
# What a person may type to be obeyed, and what collides with the marks that stand for it meanwhile.
FRAGMENTS = (*SPECIAL, "<|im_", "end|>", "<|", "\ufdd0", "\ufdd1", "\ufdd00\ufdd1", "\ufdd07\ufdd1", "0", "7", " ", "é")

hostile_text = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=12).map("".join)


def text_of(tokenizer: Tokenizer, ids: list[int]) -> str:
    return b"".join(tokenizer.token_bytes[token] for token in ids).decode()


@pytest.fixture(scope="session")
def all_bytes(tiny_model: ModelFolder) -> Tokenizer:
    """A tokenizer that can spell every text; the default model's has no tokens for some rare bytes."""
    return Tokenizer(tiny_model.tokenizer_file)


@pytest.fixture(scope="session")
def plain(default_model: Path) -> PlainTokenizer:
    return PlainTokenizer.from_file(str(default_model / "tokenizer.json"))


@given(st.text(max_size=60))
def test_ordinary_text_becomes_the_tokens_of_the_plain_tokenizer(
    tokenizer: Tokenizer, plain: PlainTokenizer, text: str
) -> None:
    if not any(special in text for special in tokenizer.special_ids):
        assert tokenizer.encode_text(text) == plain.encode(text, add_special_tokens=False).ids


@given(hostile_text)
def test_special_token_text_is_never_obeyed_and_comes_back_as_the_same_text(all_bytes: Tokenizer, text: str) -> None:
    ids = all_bytes.encode_text(text)

    assert not set(ids) & set(all_bytes.special_ids.values())
    assert text_of(all_bytes, ids) == text


@given(st.lists(hostile_text, min_size=1, max_size=4))
def test_in_a_prompt_only_the_templates_own_special_tokens_are_obeyed(
    all_bytes: Tokenizer, contents: list[str]
) -> None:
    protected: list[str] = []
    parts = [all_bytes.protect(content, protected) for content in contents]

    ids = all_bytes.encode_prompt("".join(f"<|im_start|>{part}<|im_end|>\n" for part in parts), protected)

    start, end = all_bytes.special_ids["<|im_start|>"], all_bytes.special_ids["<|im_end|>"]
    expected: list[int] = []
    for content in contents:
        expected += [start, *all_bytes.encode_text(content), end]
        expected += all_bytes.encode_text("\n")
    assert ids == expected


@given(st.lists(hostile_text, max_size=3), st.text(alphabet="\ufdd0\ufdd10123456789x", max_size=12))
def test_marks_that_a_template_puts_together_itself_stay_text(
    all_bytes: Tokenizer, contents: list[str], rendered: str
) -> None:
    protected: list[str] = []
    for content in contents:
        all_bytes.protect(content, protected)

    all_bytes.encode_prompt(rendered, protected)  # whatever it says, it does not fail


def test_a_prompt_without_protected_text_is_encoded_as_it_is(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode_prompt("<|im_start|>user\nHi<|im_end|>")

    assert ids[0] == tokenizer.special_ids["<|im_start|>"]
    assert ids[-1] == tokenizer.special_ids["<|im_end|>"]
    assert text_of(tokenizer, ids) == "<|im_start|>user\nHi<|im_end|>"


def test_no_text_is_no_tokens(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode_text("") == []
    assert tokenizer.encode_prompt("") == []


def test_text_that_is_no_unicode_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(InvalidRequestError, match="surrogate"):
        tokenizer.encode_text("half a character: \ud83d")


@given(st.text(max_size=80))
def test_text_pushed_token_by_token_comes_out_whole(all_bytes: Tokenizer, text: str) -> None:
    detokenizer = Detokenizer(all_bytes)

    pieces = [detokenizer.push(token) for token in all_bytes.encode_text(text)]

    assert "".join(pieces) == text
    assert detokenizer.finish() == ""


@given(st.binary(max_size=40), st.data())
def test_bytes_come_out_as_python_would_decode_them_however_they_are_cut(
    all_bytes: Tokenizer, content: bytes, data: st.DataObject
) -> None:
    tokens: list[int] = []
    position = 0
    by_bytes = {value: token for token, value in enumerate(all_bytes.token_bytes) if len(value) <= 3}
    while position < len(content):
        size = 3 if content[position : position + 3] in by_bytes and data.draw(st.booleans()) else 1
        tokens.append(by_bytes[content[position : position + size]])
        position += size
    detokenizer = Detokenizer(all_bytes)

    text = "".join(detokenizer.push(token) for token in tokens) + detokenizer.finish()

    assert text == content.decode(errors="replace")


def test_an_unfinished_character_is_kept_back_and_shown_as_replaced_only_at_the_end(all_bytes: Tokenizer) -> None:
    first, second, *_ = (all_bytes.token_bytes.index(bytes([byte])) for byte in "é".encode())
    whole, cut = Detokenizer(all_bytes), Detokenizer(all_bytes)

    assert (whole.push(first), whole.push(second), whole.finish()) == ("", "é", "")
    assert (cut.push(first), cut.finish()) == ("", "\N{REPLACEMENT CHARACTER}")


def test_an_id_that_only_pads_the_models_output_has_no_text(tokenizer: Tokenizer) -> None:
    assert tokenizer.bytes_of(tokenizer.vocabulary_size + 5) == b""
    assert Detokenizer(tokenizer).push(tokenizer.vocabulary_size) == ""


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no tokenizer\.json"):
        Tokenizer(tmp_path / "tokenizer.json")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", codecs.BOM_UTF8, b"\xff\xfe"])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_bytes(content)

    with pytest.raises(ModelFileError, match=r"tokenizer\.json"):
        Tokenizer(file)


def test_a_tokenizer_that_is_not_byte_level_is_unsupported(default_model: Path, tmp_path: Path) -> None:
    description = json.loads((default_model / "tokenizer.json").read_text(encoding="utf-8"))
    description["decoder"] = {"type": "WordPiece", "prefix": "##", "cleanup": True}
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(description), encoding="utf-8")

    with pytest.raises(UnsupportedModelError, match="WordPiece"):
        Tokenizer(file)


def with_id(file: Path, token: str, number: int, target: Path) -> Path:
    """The tokenizer in a file, where one token has another id."""
    description = json.loads(file.read_text(encoding="utf-8"))
    description["model"]["vocab"][token] = number
    target.write_text(json.dumps(description), encoding="utf-8")
    return target


def test_ids_may_have_gaps(tiny_model: ModelFolder, tmp_path: Path) -> None:
    tokenizer = Tokenizer(with_id(tiny_model.tokenizer_file, "the", 300, tmp_path / "tokenizer.json"))

    assert tokenizer.encode_text("the") == [300]
    assert [tokenizer.bytes_of(number) for number in (257, 299, 300, 301)] == [b"", b"", b"the", b""]


def test_an_id_far_beyond_the_tokens_is_refused_before_a_table_is_made(tiny_model: ModelFolder, tmp_path: Path) -> None:
    tokenizer = Tokenizer(with_id(tiny_model.tokenizer_file, "the", 2**32 - 1, tmp_path / "tokenizer.json"))

    with pytest.raises(ModelFileError, match=r"tokenizer\.json has 261 tokens.*4294967295"):
        tokenizer.bytes_of(0)


def test_a_special_token_without_text_is_found_nowhere(tiny_model: ModelFolder, tmp_path: Path) -> None:
    description = json.loads(tiny_model.tokenizer_file.read_text(encoding="utf-8"))
    description["added_tokens"].append({**description["added_tokens"][0], "id": 261, "content": ""})
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(description), encoding="utf-8")

    assert Tokenizer(file).encode_prompt("the the") == Tokenizer(tiny_model.tokenizer_file).encode_prompt("the the")
