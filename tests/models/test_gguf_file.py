from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind

from codex_windows_ai.errors import ModelFileError, ModelNotFoundError, UnsupportedModelError
from codex_windows_ai.models.gguf.file import GgufFile
from tests.models.synthetic import Tiny


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Tiny(kind=Kind.Q4_1, extra={"some.flag": True}).write(tmp_path / "tiny.gguf")


def test_everything_reads_as_the_gguf_package_reads_it(path: Path):
    theirs = gguf.GGUFReader(path)
    with GgufFile(path) as ours:
        for key, value in ours.metadata.items():
            assert theirs.fields[key].contents() == value
        assert list(ours.tensors) == [tensor.name for tensor in theirs.tensors]
        for tensor in theirs.tensors:
            expected = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            found = ours.read_rows(ours.tensors[tensor.name])
            np.testing.assert_array_equal(found.reshape(expected.shape), expected)


def test_rows_read_in_slices_are_those_of_the_whole(path: Path):
    with GgufFile(path) as file:
        tensor = file.tensors["blk.0.ffn_up.weight"]
        whole = file.read_rows(tensor)
        slices = [file.read_rows(tensor, start, start + 32) for start in range(0, tensor.rows, 32)]
        np.testing.assert_array_equal(np.concatenate(slices), whole)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused_wherever_it_ends(part: float, path: Path):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ModelFileError, match=r"tiny\.gguf"):
        GgufFile(path)


def test_another_kind_of_file_is_refused_with_what_it_starts_with(tmp_path: Path):
    file = tmp_path / "notes.gguf"
    file.write_bytes(b"PK\x03\x04 and more")
    with pytest.raises(ModelFileError, match=r"PK\\x03\\x04.*GGUF"):
        GgufFile(file)


def test_an_unknown_version_is_refused_with_those_supported(path: Path):
    content = bytearray(path.read_bytes())
    content[4] = 9
    path.write_bytes(content)
    with pytest.raises(UnsupportedModelError, match=r"version 9; versions \(2, 3\)"):
        GgufFile(path)


def test_a_length_beyond_the_file_is_refused_without_reading_it(path: Path):
    content = bytearray(path.read_bytes())
    content[24:32] = (2**62).to_bytes(8, "little")  # of the first key
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="truncated or corrupt"):
        GgufFile(path)


def test_no_file_at_all_is_a_model_not_found(tmp_path: Path):
    with pytest.raises(ModelNotFoundError, match=r"none\.gguf"):
        GgufFile(tmp_path / "none.gguf")
