"""Hostile GGUF files and model folders: refused in a sentence or installed, in bounds of memory, never a traceback.

`FUZZ_EXAMPLES=30000 python -m pytest tests/models/test_fuzz.py --timeout 0` takes hours; by default a few are tried.
"""

import contextlib
import json
import os
import shutil
import struct
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import gguf
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.models.convert.convert import convert
from codex_windows_ai.models.progress import silent
from codex_windows_ai.windows_ai.model_proof import model_store
from tests.models.synthetic import Tiny

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "50"))
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
MANY, FEW = (settings(max_examples=count, suppress_health_check=SLOW) for count in (EXAMPLES, EXAMPLES // 10))
"""Of what is refused in milliseconds, and of what has to be copied and loaded."""

ROOM = 64_000_000
"""Bytes beside twice the file: a session of ONNX Runtime with its threads takes a third of that."""

NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 2, 31, 32, 64, 2**16, 2**31 - 1, 2**31, 2**32, 2**60, 2**63 - 1, 2**64 - 1]),
    st.integers(-(2**63), 2**64 - 1),
)
FLOATS = st.one_of(st.sampled_from([0.0, -0.0, 1e-300, 1e300, 1e38]), st.floats())
TEXTS = st.one_of(st.sampled_from(["", "none", "linear", "yarn", "llama", "qwen2", "gpt2", "default"]), st.text())


@pytest.fixture(scope="module")
def place() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def tiny(place: Path) -> bytes:
    return Tiny(rope_factors=("rope_freqs",), bias=True).write(place / "original.gguf").read_bytes()


@pytest.fixture(scope="module")
def folder(place: Path) -> Path:
    target = place / "original"
    target.mkdir()
    convert(Tiny().write(place / "tiny.gguf"), target, silent)
    return target


def bounded(size: int, step: Callable[[], object]) -> None:
    """Runs a step that may raise nothing but our own errors, each a sentence, with no more memory than it may."""
    process = psutil.Process()
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5", encoding="ascii")  # the peak begins anew
    before = process.memory_info().rss
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            step()
        except WindowsAiError as error:
            assert error.message.strip()
            assert len(error.message) < 2000
            assert "\n" not in error.message
    if clear.exists():
        assert peak() - before <= 2 * size + ROOM


def peak() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def converted(content: bytes, place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        path, target = Path(scratch) / "x.gguf", Path(scratch) / "target"
        path.write_bytes(content)
        target.mkdir()
        bounded(len(content), lambda: convert(path, target, silent))


@st.composite
def changes(draw: st.DrawFn, size: int) -> list[tuple[int, bytes]]:
    """Bytes to be written over others."""
    places = st.one_of(st.integers(0, min(size, 9000)), st.integers(0, size))
    content = st.one_of(
        st.binary(min_size=1, max_size=8),
        NUMBERS.map(lambda number: struct.pack("<Q", number % 2**64)),
        NUMBERS.map(lambda number: struct.pack("<I", number % 2**32)),
        FLOATS.map(lambda number: struct.pack("<d", number)),
    )
    return draw(st.lists(st.tuples(places, content), min_size=1, max_size=4))


def changed(content: bytes, overwritten: list[tuple[int, bytes]], end: int | None) -> bytes:
    result = bytearray(content)
    for at, written in overwritten:
        result[at : at + len(written)] = written
    return bytes(result[:end])


@MANY
@given(data=st.data())
def test_a_gguf_file_with_other_bytes(data: st.DataObject, tiny: bytes, place: Path):
    end = data.draw(st.one_of(st.none(), st.none(), st.integers(0, len(tiny))))
    converted(changed(tiny, data.draw(changes(len(tiny))), end), place)


KEYS = [
    "general.architecture",
    "general.alignment",
    "split.count",
    "tokenizer.chat_template",
    *(
        f"llama.{name}"
        for name in (
            "block_count",
            "context_length",
            "embedding_length",
            "feed_forward_length",
            "expert_count",
            "attention.head_count",
            "attention.head_count_kv",
            "attention.key_length",
            "attention.value_length",
            "attention.layer_norm_rms_epsilon",
            "attention.sliding_window",
            "rope.dimension_count",
            "rope.freq_base",
            "rope.scaling.type",
            "rope.scaling.factor",
        )
    ),
    *(
        f"tokenizer.ggml.{name}"
        for name in (
            "model",
            "pre",
            "tokens",
            "token_type",
            "merges",
            "bos_token_id",
            "eos_token_id",
            "eot_token_id",
            "padding_token_id",
            "add_bos_token",
        )
    ),
]
Type = gguf.GGUFValueType
VALUES = st.one_of(
    st.tuples(st.integers(0, 2**64 - 1) | NUMBERS.filter(lambda n: n >= 0), st.just(Type.UINT64)),
    st.tuples(NUMBERS.filter(lambda n: n < 2**63), st.just(Type.INT64)),
    st.tuples(FLOATS, st.just(Type.FLOAT64)),
    st.tuples(st.booleans(), st.just(Type.BOOL)),
    st.tuples(TEXTS, st.just(Type.STRING)),
    st.tuples(st.lists(st.text(), min_size=1, max_size=300), st.just(Type.ARRAY)),
    st.tuples(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=300), st.just(Type.ARRAY)),
)


@MANY
@given(values=st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=4))
def test_a_gguf_file_with_other_values(values: dict[str, tuple[Any, Type]], place: Path):
    file = Tiny(changed=values).write(place / "changed.gguf")
    converted(file.read_bytes(), place)


@MANY
@given(tokens=st.dictionaries(st.text(max_size=6), st.sampled_from([1, 2, 3, 4, 5, 6, 0, -1]), max_size=269))
def test_a_gguf_file_with_another_vocabulary(tokens: dict[str, int], place: Path):
    tiny = Tiny()
    vocabulary = list(dict.fromkeys([*tokens, *tiny.vocabulary()]))[:269]
    kinds = [tokens.get(token, 1) for token in vocabulary]
    values = {"tokenizer.ggml.tokens": (vocabulary, Type.ARRAY), "tokenizer.ggml.token_type": (kinds, Type.ARRAY)}
    file = Tiny(changed=values).write(place / "vocabulary.gguf")
    converted(file.read_bytes(), place)


JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, begin: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a JSON value can be changed."""
    names: list[Any] = []
    if isinstance(value, dict | list):
        names = list(cast("Any", value)) if isinstance(value, dict) else list(range(len(cast("list[Any]", value))))
    found = [begin] if begin else []
    return found + [path for name in names[:40] for path in paths(value[name], (*begin, name))]


def with_value(root: Any, path: tuple[Any, ...], value: Any) -> None:
    """Puts the value there, where an earlier change has left the place."""
    with contextlib.suppress(KeyError, IndexError, TypeError):
        for name in path[:-1]:
            root = root[name]
        root[path[-1]] = value


def added(folder: Path, place: Path, change: Callable[[Path], object]) -> None:
    """Adds a copy of the folder that was changed."""
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        copy = Path(shutil.copytree(folder, Path(scratch) / "model"))
        change(copy)
        size = sum(file.stat().st_size for file in copy.iterdir())
        store = model_store(Path(scratch) / "models")
        bounded(size, lambda: store.add(copy))
        if not store.list():
            assert not store.root.exists() or [entry.suffix for entry in store.root.iterdir()] in ([], [".lock"])


@FEW
@given(data=st.data())
@pytest.mark.parametrize("name", ["genai_config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_folder_with_other_values(name: str, data: st.DataObject, folder: Path, place: Path):
    config = json.loads((folder / name).read_text(encoding="utf-8"))
    possible = st.sampled_from(paths(config))
    for path, value in data.draw(st.lists(st.tuples(possible, JSON), min_size=1, max_size=3)):
        with_value(config, path, value)
    text = json.dumps(config)
    added(folder, place, lambda copy: (copy / name).write_text(text, encoding="utf-8"))


@FEW
@given(data=st.data())
@pytest.mark.parametrize(
    "name",
    [
        "genai_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "model.onnx.data",
        "model.onnx",
        "model.cpu.onnx",
    ],
)
def test_a_folder_with_other_bytes(name: str, data: st.DataObject, folder: Path, place: Path):
    content = (folder / name).read_bytes()
    end = data.draw(st.one_of(st.none(), st.integers(0, len(content))))
    written = changed(content, data.draw(changes(len(content))), end)
    added(folder, place, lambda copy: (copy / name).write_bytes(written))
