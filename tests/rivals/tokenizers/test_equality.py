"""Tokens of 5,000 strings by our tokenizer, by the model's own, and by llama.cpp.

docs/tokenizers.md has the differences that are expected here, and who is right.
"""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.tokenizers.tokenizer_files import read_tokenizer
from tests.rivals.models import llama_cpp
from tests.rivals.tokenizers.own import OWN, Own
from tests.rivals.tokenizers.varied_texts import MARKERS, varied_texts

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
LLAMA_CPP = ROOT / "build" / "rivals" / "llama.cpp"
TEXTS = varied_texts(5_000)

Expected = Callable[[str], bool]
"""Whether the tokens of a text may differ."""


@pytest.fixture(scope="session", autouse=True)
def packages() -> None:
    """The packages of all sides, pinned by their hashes."""
    targets = [f"build/rivals/{name}/.ready" for name in ("tokenizers", "llama.cpp")]
    subprocess.run(["make", "--silent", *targets], cwd=ROOT, check=True)


def ours(file: Path) -> Tokenizer:
    with GgufFile(file) as opened:
        # Files of vocabularies alone have no window.
        opened.metadata.setdefault(f"{opened.architecture}.context_length", 4096)
        return Tokenizer.from_str(json.dumps(read_tokenizer(opened).tokenizer))


def our_tokens(tokenizer: Tokenizer, texts: list[str], *, obeyed: bool = False) -> list[list[int]]:
    tokenizer.encode_special_tokens = not obeyed
    return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


def llama_tokens(file: Path, texts: list[str], tmp_path: Path, *, obeyed: bool = False) -> list[list[int]]:
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    task = {
        "folder": str(LLAMA_CPP / "lib"),
        "do": "tokens",
        "file": str(file),
        "texts": str(tmp_path / "texts.json"),
        "target": str(tmp_path / "tokens.json"),
        "obeyed": obeyed,
    }
    subprocess.run([sys.executable, llama_cpp.__file__, json.dumps(task)], check=True)
    return json.loads((tmp_path / "tokens.json").read_text(encoding="utf-8"))


def unequal(texts: list[str], one: list[list[int]], other: list[list[int]]) -> list[str]:
    return [text for text, left, right in zip(texts, one, other, strict=True) if left != right]


def is_composed(text: str) -> bool:
    return unicodedata.is_normalized("NFC", text)


@pytest.fixture(params=OWN, scope="module")
def model(request: pytest.FixtureRequest, packages: None, tmp_path_factory: pytest.TempPathFactory):
    """A name, the model's own tokenizer, the GGUF file, our tokenizer."""
    own = OWN[request.param]()
    file = own.vocabulary.write(tmp_path_factory.mktemp("vocabulary") / "vocabulary.gguf")
    return request.param, own, file, ours(file)


NOT_AS_THE_MODEL: dict[str, Expected] = {"Gemma 3": lambda text: "▁" in text}
"""Text that holds U+2581 itself, beside spaces: SentencePiece takes it for a space."""

LETTERS_WITHOUT_MARKS = ("gpt-oss", "Tekken")
"""Rules in which llama.cpp's expressions know no marks and no capitals but A to Z."""


def test_ours_are_the_models_own(model: tuple[str, Own, Path, Tokenizer]):
    name, own, _, tokenizer = model
    different = unequal(TEXTS, our_tokens(tokenizer, TEXTS), [own.encode(text) for text in TEXTS])
    assert [text for text in different if not NOT_AS_THE_MODEL.get(name, lambda _: False)(text)] == []


def test_where_the_model_agrees_with_llama_cpp_so_do_we(model: tuple[str, Own, Path, Tokenizer], tmp_path: Path):
    """And where they do not, text was not composed, or has letters outside ASCII or marks."""
    name, own, file, tokenizer = model
    theirs = llama_tokens(file, TEXTS, tmp_path)
    mine, original = our_tokens(tokenizer, TEXTS), [own.encode(text) for text in TEXTS]
    agreed = [text for text, left, right in zip(TEXTS, original, theirs, strict=True) if left == right]
    assert not set(unequal(TEXTS, mine, theirs)) & set(agreed)
    apart = set(TEXTS) - set(agreed)
    if name in LETTERS_WITHOUT_MARKS:
        assert apart
        assert all(not text.isascii() for text in apart)
    elif name.startswith("Qwen"):
        assert all(not is_composed(text) for text in apart)
    else:
        assert all("▁" in text for text in apart)


SHIPPED = {
    "llama-spm": "",
    "phi-3": "</s>",
    "baichuan": "",
    "gemma-4": "",
    "llama-bpe": "",
    "gpt-2": "",
    "gpt-neox": "",
    "mpt": "",
    "starcoder": "",
    "refact": "",
    "command-r": "",
    "qwen2": "</s>",
    "qwen35": "</s>",
}
"""Vocabularies in llama.cpp's source, and the text that it takes for a control token though the file does not."""


@pytest.mark.parametrize("name", SHIPPED)
def test_ours_are_those_of_llama_cpp_with_its_vocabularies(name: str, packages: None, tmp_path: Path):
    file = LLAMA_CPP / "source" / "models" / f"ggml-vocab-{name}.gguf"
    tokenizer = ours(file)
    for texts, obeyed in ((TEXTS, False), (varied_texts(2_000, markers=MARKERS), True)):
        different = unequal(
            texts, our_tokens(tokenizer, texts, obeyed=obeyed), llama_tokens(file, texts, tmp_path, obeyed=obeyed)
        )
        if name.startswith("qwen"):  # only our side composes
            different = [text for text in different if is_composed(text)]
        assert [text for text in different if not SHIPPED[name] or SHIPPED[name] not in text] == []


@pytest.mark.parametrize("name", [name for name in SHIPPED if name not in ("baichuan", "gpt-neox", "qwen35")])
def test_ours_are_those_that_llama_cpp_was_tested_with(name: str, packages: None):
    """The models' own tokenizers made them, at the time when a rule was added."""
    file = LLAMA_CPP / "source" / "models" / f"ggml-vocab-{name}.gguf"
    between = "\n__ggml_vocab_test__\n"
    texts = Path(f"{file}.inp").read_bytes().decode().removesuffix(between).split(between)
    lines = Path(f"{file}.out").read_text(encoding="utf-8").splitlines()
    expected = [[int(number) for number in line.split()] for line in lines]
    assert our_tokens(ours(file), texts) == expected
