"""Text to tokens and back: text is data, and no character is ever split."""

from __future__ import annotations

import codecs
import json
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer as PlainTokenizer
from tokenizers.decoders import ByteFallback, Fuse, Replace, Sequence
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Metaspace

from codex_windows_ai.engine import tokenizer as tokenizer_module
from codex_windows_ai.engine.tokenizer import Detokenizer, Tokenizer
from codex_windows_ai.errors import (
    ContextLengthExceededError,
    InvalidRequestError,
    ModelFileError,
    UnsupportedModelError,
)
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.tokenizers.pre_tokenizers import PRE_TOKENIZERS

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


AWKWARD = (*" \n\r\t.,;'}_-1aé字²", "  ", "\n\n", "'s", "'LL", "e\u0301", "\u00a0", "\u3000", "123", "word", "\x85")
awkward_text = st.lists(st.one_of(st.sampled_from(AWKWARD), st.text(max_size=3)), max_size=60).map("".join)


def tokenizer_file_cutting_as(pre: str, default_model: Path, folder: Path) -> Path:
    """The default model's tokenizer, but that text is cut before merging as by another model's."""
    rules = PRE_TOKENIZERS[pre]
    description = json.loads((default_model / "tokenizer.json").read_text(encoding="utf-8"))
    cuts = [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        for pattern in rules.patterns
    ]
    description["pre_tokenizer"]["pretokenizers"] = [*cuts, description["pre_tokenizer"]["pretokenizers"][-1]]
    description["normalizer"] = {"type": rules.normalizer} if rules.normalizer else None
    description["model"]["ignore_merges"] = rules.whole_words_first
    file = folder / f"{pre}.json"
    file.write_text(json.dumps(description), encoding="utf-8")
    return file


@pytest.fixture(scope="module", params=sorted(PRE_TOKENIZERS))
def cutter(request: pytest.FixtureRequest, default_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tokenizer_file_cutting_as(request.param, default_model, tmp_path_factory.mktemp("cutter"))


def test_text_in_pieces_has_the_tokens_of_the_whole(cutter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_module, "PIECE", 4)
    ours, whole = Tokenizer(cutter), PlainTokenizer.from_file(str(cutter))
    whole.encode_special_tokens = True

    @given(awkward_text)
    @example("a\n\n b; }\n x\n\ty 's z'LL e \u0301 1234\n5")
    @example("word " * 20 + "\n" * 20 + " " * 20 + "word")
    def check(text: str) -> None:
        assert ours.encode_text(text) == whole.encode(text, add_special_tokens=False).ids

    check()


@pytest.mark.parametrize(
    "text", ["word and word " * 15_000, "}\n" * 80_000 + "a b " * 40_000, "字。" * 60_000 + "\n x" * 9]
)
def test_long_text_has_the_tokens_of_the_whole(tokenizer: Tokenizer, plain: PlainTokenizer, text: str) -> None:
    assert len(text) > 2 * tokenizer_module.PIECE - 20_000
    assert tokenizer.encode_text(text) == plain.encode(text, add_special_tokens=False).ids


def test_text_without_a_place_to_cut_comes_back_as_it_was(all_bytes: Tokenizer) -> None:
    text = "字é" * 200_000

    assert text_of(all_bytes, all_bytes.encode_text(text)) == text


def test_others_run_while_a_long_text_is_encoded(all_bytes: Tokenizer) -> None:
    text = "x" * 200_000  # one piece

    assert min(_share_in_which_others_wait(lambda: all_bytes.encode_text(text)) for _ in range(3)) < 0.5


def _share_in_which_others_wait(work: Callable[[], object]) -> float:
    """The longest time for which a thread that does nothing else could not run, as a share of the work's time."""
    done, longest = threading.Event(), 0.0

    def tick() -> None:
        nonlocal longest
        last = time.perf_counter()
        while not done.is_set():
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    ticker = threading.Thread(target=tick)
    ticker.start()
    begun = time.perf_counter()
    work()
    seconds = time.perf_counter() - begun
    done.set()
    ticker.join()
    return longest / seconds


@pytest.mark.parametrize("length", [600, 3_000, 4_000_000])
def test_a_prompt_too_long_is_left_before_it_is_encoded_whole(tiny_model: ModelFolder, length: int) -> None:
    tokenizer = Tokenizer(tiny_model.tokenizer_file, window=512)

    with pytest.raises(ContextLengthExceededError) as refused:
        tokenizer.encode_prompt("<|im_start|>" + "ab" * (length // 2))
    error = refused.value
    assert not error.counted
    assert 512 <= error.prompt_tokens <= length + 1
    assert error.context_length == 512
    assert f"at least {error.prompt_tokens} tokens" in error.message


def test_of_a_prompt_too_long_only_what_fills_the_window_is_encoded(default_model: Path) -> None:
    tokenizer = Tokenizer(default_model / "tokenizer.json", window=20_000)

    with pytest.raises(ContextLengthExceededError) as refused:
        tokenizer.encode_prompt("a b c " * 200_000)
    # Its length is no proof by itself here: were all tokens the longest one, they were fewer.
    assert 20_000 <= refused.value.prompt_tokens < 20_000 + tokenizer_module.PIECE


def test_what_just_fits_is_encoded(tiny_model: ModelFolder) -> None:
    tokenizer = Tokenizer(tiny_model.tokenizer_file, window=512)

    assert len(tokenizer.encode_prompt("a" * 511)) == 511
    with pytest.raises(ContextLengthExceededError):
        tokenizer.encode_prompt("a" * 512)


@given(awkward_text)
def test_a_text_never_has_fewer_tokens_than_its_length_says(default_model: Path, text: str) -> None:
    for pre in ("smollm", "qwen2"):
        tokenizer = _bounded(pre, default_model)
        for repeated in (text, text * 50, "\n" + " " * 161, "1\u0344\u0301" * 99, "\u0f71\u0f72" * 99):
            assert tokenizer.fewest_tokens(repeated) <= len(tokenizer.encode_text(repeated))


@cache
def _bounded(pre: str, default_model: Path) -> Tokenizer:
    with TemporaryDirectory() as folder:
        return Tokenizer(tokenizer_file_cutting_as(pre, default_model, Path(folder)))


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


def test_a_step_before_merging_that_is_not_known_is_named(tmp_path: Path) -> None:
    """Newer files of Llama 2 put the first space there, before the first text alone."""
    plain = PlainTokenizer(BPE({"▁": 0, "a": 1}, []))
    plain.pre_tokenizer = Metaspace(prepend_scheme="first")
    plain.decoder = Sequence([Replace("▁", " "), ByteFallback(), Fuse()])
    plain.save(str(tmp_path / "tokenizer.json"))

    with pytest.raises(UnsupportedModelError, match=r"ByteFallback.*Metaspace"):
        Tokenizer(tmp_path / "tokenizer.json")


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
