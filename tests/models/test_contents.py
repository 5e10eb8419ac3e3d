"""Nothing outside of a model folder is read for it, and nothing in it is opened that is no file."""

import json
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.contents import folder_files
from codex_windows_ai.models.folder import read_model_folder
from codex_windows_ai.models.store import ModelStore
from tests.models.synthetic import Tiny

FILES = [
    "genai_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.onnx",
    "model.onnx.data",
    "model.cpu.onnx",
]
Change = Callable[[Path], Any]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ModelStore]:
    store = ModelStore(tmp_path / "models")
    yield store
    assert store.list() == []  # whatever is refused here leaves nothing
    assert not store.root.exists() or not list(store.root.iterdir())


def configure(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    file = folder / "genai_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    change(config["model"])
    file.write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize("how", ["absolute", "up", "up and down", "backslashes", "drive", "share", "nothing"])
def test_a_graph_outside_of_the_folder_is_refused_by_name(how: str, folder: Path, store: ModelStore):
    outside = folder.parent / "outside.onnx"
    outside.write_bytes((folder / "model.onnx").read_bytes())
    name = {
        "absolute": str(outside),
        "up": "../outside.onnx",
        "up and down": f"x/../../{folder.name}/model.onnx",
        "backslashes": "..\\outside.onnx",
        "drive": "C:model.onnx",
        "share": "\\\\server\\share\\model.onnx",
        "nothing": "",
    }[how]
    configure(folder, lambda model: model["decoder"].update(filename=name))
    for use in (store.resolve, store.add):
        with pytest.raises(ModelFileError, match="does not lie in the model folder") as caught:
            use(folder)
        assert "filename" in caught.value.message


@pytest.mark.parametrize("where", ["absolute", "up"])
@pytest.mark.parametrize("graph", ["model.onnx", "model.cpu.onnx"])
def test_weights_outside_of_the_folder_are_refused_by_name(where: str, graph: str, folder: Path, store: ModelStore):
    outside = (folder / "model.onnx.data").rename(folder.parent / "weights")
    model = onnx.ModelProto.FromString((folder / graph).read_bytes())
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = str(outside) if where == "absolute" else "../weights"
    (folder / graph).write_bytes(model.SerializeToString())
    for use in (store.resolve, store.add):
        with pytest.raises(ModelFileError, match=r"does not lie in the model folder|is missing"):
            use(folder)


def test_weights_of_a_branch_outside_of_the_folder_are_refused_by_name(folder: Path, store: ModelStore):
    model = onnx.ModelProto.FromString((folder / "model.cpu.onnx").read_bytes())
    node = next(node for node in model.graph.node if node.op_type == "If")
    tensor = node.attribute[0].g.initializer.add(name="x", data_type=1, data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    (folder / "model.cpu.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=r"model\.cpu\.onnx names the file `/etc/passwd`"):
        store.add(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_link_that_leads_out_of_the_folder_is_not_followed(name: str, folder: Path, store: ModelStore):
    (folder / name).rename(folder.parent / name)
    (folder / name).symlink_to(folder.parent / name)
    for use in (store.resolve, store.add):
        with pytest.raises(ModelFileError, match=f"{name} is a link that leads out of the model folder") as caught:
            use(folder)
        assert "cp -rL" in str(caught.value.hint)


@pytest.mark.parametrize("target", ["/etc/hostname", "/etc", "nowhere", "loop", ".", ".."])
def test_a_link_beside_the_models_files_is_not_followed_either(target: str, folder: Path, store: ModelStore):
    (folder / "inner").mkdir()
    (folder / "inner" / "loop").symlink_to(target)
    with pytest.raises(ModelFileError, match="inner/loop"):
        store.add(folder)


def test_a_link_within_the_folder_is_copied_as_the_file_that_it_leads_to(folder: Path, tmp_path: Path):
    (folder / "weights").mkdir()
    (folder / "model.onnx.data").rename(folder / "weights" / "data")
    (folder / "model.onnx.data").symlink_to(folder / "weights" / "data")
    copy = ModelStore(tmp_path / "models").add(folder).path
    assert not (copy / "model.onnx.data").is_symlink()
    assert (copy / "model.onnx.data").read_bytes() == (folder / "weights" / "data").read_bytes()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the address of a socket may be no longer than 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


SPECIAL: dict[str, Change] = {"pipe": pipe, "socket": unix_socket, "folder": Path.mkdir}


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_is_refused_by_name_and_not_opened(kind: str, name: str, folder: Path, store: ModelStore):
    (folder / name).unlink()
    SPECIAL[kind](folder / name)
    for use in (store.resolve, store.add):
        with pytest.raises(ModelFileError, match=f"{name} is a {kind}"):
            use(folder)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_what_is_no_file_beside_the_models_files_is_refused_too(kind: str, folder: Path, store: ModelStore):
    SPECIAL[kind](folder / "more")
    with pytest.raises(ModelFileError, match=f"more is a {kind}"):
        store.add(folder)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_model_file_that_is_no_file_is_refused_and_not_opened(kind: str, tmp_path: Path, store: ModelStore):
    SPECIAL[kind](tmp_path / "x.gguf")
    for use in (store.resolve, store.add):
        with pytest.raises(ModelFileError, match=r"x\.gguf is no regular file"):
            use(tmp_path / "x.gguf")


def test_a_device_is_refused_and_not_read(store: ModelStore):
    with pytest.raises(ModelFileError, match="/dev/zero is no regular file"):
        store.add(Path("/dev/zero"))


def test_copied_files_have_the_modes_of_all_others(folder: Path, tmp_path: Path):
    for file in folder.iterdir():
        file.chmod(0o400)
    (folder / "tokenizer.json").chmod(0o4777)
    store = ModelStore(tmp_path / "models")
    copied = store.add(folder).path
    converted = store.add(Tiny().write(tmp_path / "other.gguf")).path
    modes = {stat.S_IMODE(file.stat().st_mode) for file in converted.iterdir()}
    assert {stat.S_IMODE(file.stat().st_mode) for file in copied.iterdir()} == modes
    assert copied.stat().st_mode == converted.stat().st_mode


def test_all_files_are_found(folder: Path):
    (folder / "more" / "yet").mkdir(parents=True)
    (folder / "more" / "yet" / "README").write_text("", encoding="utf-8")
    names = [file.relative_to(folder).as_posix() for file in folder_files(folder)]
    assert names == sorted([*FILES, "more/yet/README"])


# What the graph says.


def test_a_window_beyond_the_graphs_positions_is_refused_with_both_numbers(folder: Path, store: ModelStore):
    configure(folder, lambda model: model.update(context_length=65))
    for use in (store.resolve, store.add):
        with pytest.raises(ModelFileError, match=r"is 65, but model\.onnx has 64 positions"):
            use(folder)


@pytest.mark.parametrize("layers", [1, 100, 4096])
def test_another_number_of_layers_than_the_graphs_is_refused(layers: int, folder: Path, store: ModelStore):
    configure(folder, lambda model: model["decoder"].update(num_hidden_layers=layers))
    with pytest.raises(UnsupportedModelError, match=f"there are {layers} layers"):
        store.add(folder)


def test_keys_and_values_beyond_this_machines_memory_are_refused_with_both_figures(folder: Path, store: ModelStore):
    model = onnx.ModelProto.FromString((folder / "model.onnx").read_bytes())
    for value in model.graph.input:
        if value.name.startswith("past"):
            value.type.tensor_type.shape.dim[1].dim_value = 2**40
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for use in (store.resolve, store.add):
        with pytest.raises(UnsupportedModelError, match=r"needs [0-9,]+ MB of memory.*machine has [0-9,]+ MB"):
            use(folder)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.95])
def test_a_graph_that_is_cut_off_is_named(part: float, folder: Path, store: ModelStore):
    content = (folder / "model.cpu.onnx").read_bytes()
    (folder / "model.cpu.onnx").write_bytes(content[: int(len(content) * part)])
    with pytest.raises((ModelFileError, UnsupportedModelError), match=r"model\.cpu\.onnx"):
        store.add(folder)


def test_a_sound_folder_stays_where_it_is_and_is_read(folder: Path):
    assert read_model_folder(folder).path == folder
