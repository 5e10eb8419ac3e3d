"""What a step of decoding reads from memory."""

from __future__ import annotations

from pathlib import Path

from onnx import TensorProto, helper

from codex_windows_ai.models.convert.convert import convert
from codex_windows_ai.models.decoder_graph import DecoderGraph
from codex_windows_ai.models.folder import read_model_folder
from codex_windows_ai.models.graph_check import past_bytes, read_sizes
from codex_windows_ai.models.progress import silent
from tests.models.synthetic import Tiny


def _tensor(name: str, size: int, place: int | None = None, *, first: int = 1) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.UINT8, dims=[first, size // first])
    if place is None:
        tensor.raw_data = bytes(size)
        return tensor
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "model.data"), ("offset", str(place)), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def test_a_step_reads_every_weight_once_no_embedding_and_the_experts_it_is_sent_to(tmp_path: Path) -> None:
    weights = [
        _tensor("embedding", 1000, 0),
        _tensor("head", 200, 2000),
        _tensor("tied", 200, 2000),  # the same bytes by another name
        _tensor("experts", 800, 4000, first=8),
        _tensor("norm", 16),
        _tensor("nobody's", 50, 6000),
    ]
    nodes = [
        helper.make_node("Gather", ["embedding", "ids"], ["a"]),
        helper.make_node("Gather", ["tied", "ids"], ["b"]),
        helper.make_node("MatMul", ["a", "head"], ["c"]),
        helper.make_node("QMoE", ["a", "experts"], ["d"], k=2),
        helper.make_node("Mul", ["d", "norm"], ["e"]),
    ]
    file = tmp_path / "model.onnx"
    file.write_bytes(helper.make_model(helper.make_graph(nodes, "it", [], [], weights)).SerializeToString())

    assert DecoderGraph(file).step_bytes == 200 + 800 * 2 // 8 + 16


def test_keys_and_values_are_read_of_every_token_before(converted: Path) -> None:
    folder = read_model_folder(converted)

    assert past_bytes(folder, 1) == read_sizes(folder).token == 2 * 2 * 2 * 16 * 4
    assert past_bytes(folder, 300) == 300 * past_bytes(folder, 1)


def test_a_window_bounds_what_is_read_of_its_layers(tmp_path: Path) -> None:
    source = Tiny(architecture="gemma2", post_norms=True, extra={".attention.sliding_window": 8}).write(
        tmp_path / "it.gguf"
    )
    target = tmp_path / "it"
    target.mkdir()
    convert(source, target, silent)
    folder = read_model_folder(target)

    token = read_sizes(folder).token
    assert past_bytes(folder, 4) == 4 * token
    assert past_bytes(folder, 40) == (8 + 40) * token // 2  # of two layers one has a window
