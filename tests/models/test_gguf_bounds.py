"""Numbers in a GGUF file that no file of its size can mean are refused at once, in one sentence."""

import math
import re
import tracemalloc
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFValueType as Type

from codex_windows_ai.errors import ModelError, ModelFileError, WindowsAiError
from codex_windows_ai.models.convert.convert import convert
from codex_windows_ai.models.gguf import file as gguf_file
from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.progress import silent
from tests.models.synthetic import Tiny

HUGE = [2**31, 2**60]
SIZES = [
    "llama.block_count",
    "llama.context_length",
    "llama.embedding_length",
    "llama.feed_forward_length",
    "llama.attention.head_count",
    "llama.attention.head_count_kv",
    "llama.attention.key_length",
    "llama.attention.value_length",
    "llama.rope.dimension_count",
    "llama.expert_count",
    "llama.attention.sliding_window",
    "general.alignment",
    "split.count",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.padding_token_id",
]
MOST_BYTES = 20_000_000
"""What refusing a file of 300 kB may take, libraries that are loaded meanwhile included."""


def refused(path: Path, tmp_path: Path) -> WindowsAiError:
    """What converting the file is refused with, within bounds of memory."""
    target = tmp_path / "target"
    target.mkdir()
    tracemalloc.start()
    try:
        with pytest.raises(ModelError) as caught:
            convert(path, target, silent)
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 500
    return caught.value


@pytest.mark.parametrize("value", HUGE)
@pytest.mark.parametrize("key", SIZES)
def test_a_size_that_the_file_cannot_have_is_refused_by_name(key: str, value: int, tmp_path: Path):
    path = Tiny(changed={key: (value, Type.UINT64)}).write(tmp_path / "tiny.gguf")
    message = refused(path, tmp_path).message
    assert str(value) in message or "tiny.gguf" in message


@pytest.mark.parametrize("value", [0, -1, -(2**40)])
@pytest.mark.parametrize("key", SIZES[:6])
def test_a_size_that_is_none_is_refused_by_its_key(key: str, value: int, tmp_path: Path):
    path = Tiny(changed={key: (value, Type.INT64)}).write(tmp_path / "tiny.gguf")
    assert f"`{key}` must be from 1 to 2147483647, found {value}" in refused(path, tmp_path).message


@pytest.mark.parametrize("value", [2**24, 2**30])
def test_a_window_out_of_all_proportion_to_the_weights_is_refused(value: int, tmp_path: Path):
    path = Tiny(changed={"llama.context_length": (value, Type.UINT32)}).write(tmp_path / "tiny.gguf")
    assert f"a `context_length` of {value} takes" in refused(path, tmp_path).message


def test_more_layers_than_there_are_tensors_of_are_refused_with_both_numbers(tmp_path: Path):
    path = Tiny(changed={"llama.block_count": (3, Type.UINT32)}).write(tmp_path / "tiny.gguf")
    assert "is 3, but there are tensors of 2 layers" in refused(path, tmp_path).message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), -1.0, 1e300])
@pytest.mark.parametrize(
    "key", ["llama.rope.freq_base", "llama.rope.scaling.factor", "llama.attention.layer_norm_rms_epsilon"]
)
def test_a_number_that_is_none_is_refused_by_its_key_without_warnings(
    key: str, value: float, tmp_path: Path, recwarn: pytest.WarningsRecorder
):
    path = Tiny(changed={key: (value, Type.FLOAT64)}).write(tmp_path / "tiny.gguf")
    assert f"`{key}` must be from" in refused(path, tmp_path).message
    assert not recwarn.list


def test_a_scaling_by_nothing_is_none_as_llama_cpp_has_it(tmp_path: Path):
    path = Tiny(changed={"llama.rope.scaling.factor": (0.0, Type.FLOAT32)}).write(tmp_path / "tiny.gguf")
    plain = Tiny().write(tmp_path / "plain.gguf")
    for file in (path, plain):
        (tmp_path / file.stem).mkdir()
        convert(file, tmp_path / file.stem, silent)
    weights = [(tmp_path / name / "model.onnx.data").read_bytes() for name in ("tiny", "plain")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("name", ["rope_freqs.weight", "blk.1.attn_norm.weight", "token_embd.weight"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
def test_weights_that_are_no_numbers_are_refused_by_the_tensors_name(
    name: str, value: float, tmp_path: Path, recwarn: pytest.WarningsRecorder
):
    path = Tiny(rope_factors=("rope_freqs",)).write(tmp_path / "tiny.gguf")
    with GgufFile(path) as file:
        offset = file.tensors[name].offset
    content = bytearray(path.read_bytes())
    content[offset : offset + 4] = np.array([value], "<f4").tobytes()
    path.write_bytes(content)
    assert f"`{name}`" in refused(path, tmp_path).message
    assert not recwarn.list


def test_two_tensors_in_one_place_are_refused_by_name(tmp_path: Path):
    path = Tiny().write(tmp_path / "tiny.gguf")
    content = bytearray(path.read_bytes())
    name = content.index(b"blk.1.ffn_up.weight")
    at = name + len(b"blk.1.ffn_up.weight") + 4 + 2 * 8 + 4  # behind the number of sizes, the sizes and the type
    content[at : at + 8] = bytes(8)
    path.write_bytes(content)
    message = refused(path, tmp_path).message
    assert "lie over each other" in message
    assert "`blk.1.ffn_up.weight`" in message


def test_a_tensor_out_of_line_is_refused_by_name(tmp_path: Path):
    path = Tiny().write(tmp_path / "tiny.gguf")
    content = bytearray(path.read_bytes())
    at = content.index(b"blk.1.ffn_up.weight") + len(b"blk.1.ffn_up.weight") + 4 + 2 * 8 + 4
    content[at] += 1
    path.write_bytes(content)
    assert "`blk.1.ffn_up.weight` does not begin at a multiple of 32" in refused(path, tmp_path).message


def test_lists_longer_than_any_models_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gguf_file, "MOST_LIST_ITEMS", 500)  # the vocabulary has 269, and as many types
    with pytest.raises(ModelFileError, match="500 are the most"):
        GgufFile(Tiny().write(tmp_path / "tiny.gguf"))


def test_a_header_larger_than_any_models_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gguf_file, "MOST_HEADER_BYTES", 5000)
    with pytest.raises(ModelFileError, match="more than 5,000 bytes"):
        GgufFile(Tiny().write(tmp_path / "tiny.gguf"))


@pytest.mark.parametrize(("place", "what"), [(8, "tensors"), (16, "metadata values")])
@pytest.mark.parametrize("value", [2**20, *HUGE, 2**64 - 1])
def test_a_count_beyond_the_file_is_refused_before_anything_is_read(place: int, what: str, value: int, tmp_path: Path):
    path = Tiny().write(tmp_path / "tiny.gguf")
    content = bytearray(path.read_bytes())
    content[place : place + 8] = value.to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=f"{value} {what}"):
        GgufFile(path)


@pytest.mark.parametrize("value", HUGE)
def test_sizes_of_a_tensor_that_overflow_when_multiplied_are_refused(value: int, tmp_path: Path):
    path = Tiny().write(tmp_path / "tiny.gguf")
    content = bytearray(path.read_bytes())
    at = content.index(b"blk.1.ffn_up.weight") + len(b"blk.1.ffn_up.weight") + 4
    content[at : at + 16] = value.to_bytes(8, "little") * 2
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"`blk\.1\.ffn_up\.weight` ends at"):
        GgufFile(path)


@pytest.mark.parametrize("value", [0, 5, 2**31, 2**32 - 1])
def test_more_dimensions_than_a_tensor_has_are_refused(value: int, tmp_path: Path):
    path = Tiny().write(tmp_path / "tiny.gguf")
    content = bytearray(path.read_bytes())
    at = content.index(b"blk.1.ffn_up.weight") + len(b"blk.1.ffn_up.weight")
    content[at : at + 4] = value.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"`blk\.1\.ffn_up\.weight` has {value} dimensions"):
        GgufFile(path)


def test_a_name_without_end_is_cut_in_the_message(tmp_path: Path):
    tiny = Tiny()
    changed = {"general.architecture": ("x\n" * 10_000, Type.STRING)}
    message = refused(replace(tiny, changed=changed).write(tmp_path / "tiny.gguf"), tmp_path).message
    assert r"x\nx\n" in message


def hollow(tiny: Tiny, path: Path) -> Path:
    """The file of a model whose weights are a hole of the right size, which takes no room on the disk."""
    writer = gguf.GGUFWriter(path, tiny.architecture)
    tiny.write_metadata(writer)
    for name, shape in tiny.shapes().items():
        writer.add_tensor_info(name, shape, np.dtype(np.float32), 4 * math.prod(shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + sum(4 * math.prod(shape) + 64 for shape in tiny.shapes().values()))
    return path


def test_weights_beyond_this_machines_memory_are_refused_with_both_figures(tmp_path: Path):
    path = hollow(Tiny(hidden=2**28), tmp_path / "huge.gguf")
    message = refused(path, tmp_path).message
    assert re.search(r"huge\.gguf needs [0-9,]+ MB of memory.* this machine has [0-9,]+ MB", message)


@pytest.mark.parametrize("kind", [Kind.F16, Kind.Q4_0, Kind.Q4_1, Kind.Q8_0])
def test_weights_that_are_no_numbers_are_refused_by_their_tensor(kind: Kind, tmp_path: Path):
    path = Tiny(kind=kind).write(tmp_path / "tiny.gguf")
    with GgufFile(path) as file:
        offset = file.tensors["blk.1.ffn_down.weight"].offset
    content = bytearray(path.read_bytes())
    content[offset : offset + 2] = np.array(np.nan, np.float16).tobytes()  # a weight, or the scale of its block
    path.write_bytes(content)
    (tmp_path / "target").mkdir()
    with pytest.raises(ModelFileError, match=r"`blk\.1\.ffn_down\.weight` holds values that are not finite"):
        convert(path, tmp_path / "target", silent)
