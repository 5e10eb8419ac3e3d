import errno
import os
from pathlib import Path

import pytest

from codex_windows_ai.errors import InvalidRequestError, ModelFileError, ModelNotFoundError, StorageError
from codex_windows_ai.models.convert.external_data import ExternalDataWriter
from codex_windows_ai.models.precision import Precision
from codex_windows_ai.models.store import ModelStore, recipes
from codex_windows_ai.settings import DEFAULT_MODEL, cache_folder
from tests.models.fake_wheel import write_wheel
from tests.models.synthetic import Tiny


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    return Tiny().write(tmp_path / "Tiny Model.Q4_1.gguf")


def folders(store: ModelStore) -> list[str]:
    return sorted(entry.name for entry in store.root.iterdir() if entry.is_dir())


def test_models_live_below_the_cache_folder():
    assert ModelStore().root == cache_folder() / "models"


def test_a_gguf_file_is_added_under_a_name_made_from_its_own(store: ModelStore, gguf: Path):
    assert store.add(gguf).name == "tiny-model.q4_1"
    gguf.unlink()
    assert store.resolve("tiny-model.q4_1").context_length == 64
    (listed,) = store.list()
    assert (listed.name, listed.source) == ("tiny-model.q4_1", str(gguf))
    assert listed.bytes > 0
    assert listed.path == store.path("tiny-model.q4_1")


def test_the_path_of_a_gguf_file_resolves_and_is_converted_once(store: ModelStore, gguf: Path):
    stages: list[str] = []
    first = store.resolve(gguf, progress=lambda stage, done, total: stages.append(stage))
    assert "convert" in stages
    stages.clear()
    assert store.resolve(str(gguf), progress=lambda stage, done, total: stages.append(stage)) == first
    assert stages == []


def test_the_path_of_a_model_folder_resolves_where_it_is(store: ModelStore, gguf: Path):
    folder = store.add(gguf, name="one").path
    elsewhere = folder.rename(gguf.parent / "elsewhere")
    assert store.resolve(elsewhere).path == elsewhere
    assert store.list() == []


def test_a_model_folder_is_copied_and_then_independent(store: ModelStore, gguf: Path, tmp_path: Path):
    original = store.add(gguf, name="one").path
    copy = ModelStore(tmp_path / "other").add(original, name="two").path
    store.remove("one")
    ModelStore(tmp_path / "other").verify("two")
    assert {file.name for file in copy.iterdir()} >= {"model.onnx", "model.onnx.data", "genai_config.json"}


def test_another_file_does_not_take_an_installed_models_name(store: ModelStore, gguf: Path, tmp_path: Path):
    store.add(gguf, name="mine")
    other = Tiny(layers=1).write(tmp_path / "other.gguf")
    with pytest.raises(InvalidRequestError, match="Tiny Model") as caught:
        store.add(other, name="mine")
    assert "cwai models remove mine" in str(caught.value.hint)
    assert store.resolve("mine").layers == 2


def test_an_unknown_name_lists_what_is_installed(store: ModelStore, gguf: Path):
    store.add(gguf, name="mine")
    with pytest.raises(ModelNotFoundError, match="`yours`") as caught:
        store.resolve("yours")
    assert "Installed: mine." in str(caught.value.hint)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../up", "a/b", "a\\b", "/root", "C:x", "UPPER", "con", "nul.txt", "dot.", "-dash", "x" * 65],
)
def test_a_name_cannot_reach_outside_the_store(name: str, store: ModelStore):
    with pytest.raises(InvalidRequestError, match="cannot be the name"):
        store.path(name)


def test_a_removed_model_is_gone_and_cannot_be_removed_twice(store: ModelStore, gguf: Path):
    store.add(gguf, name="mine")
    store.remove("mine")
    assert folders(store) == []
    with pytest.raises(ModelNotFoundError):
        store.remove("mine")


def test_verify_names_a_file_that_was_changed_or_lost(store: ModelStore, gguf: Path):
    folder = store.add(gguf, name="mine").path
    store.verify("mine")
    weights = folder / "model.onnx.data"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"model\.onnx\.data is not what"):
        store.verify("mine")
    weights.unlink()
    with pytest.raises(ModelFileError, match=r"model\.onnx\.data is missing"):
        store.verify("mine")


def test_a_corrupt_record_is_named_and_the_model_can_still_be_listed_and_removed(store: ModelStore, gguf: Path):
    folder = store.add(gguf, name="mine").path
    (folder / "conversion.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"conversion\.json") as caught:
        store.resolve("mine")
    assert "cwai models remove mine" in str(caught.value.hint)
    assert [model.source for model in store.list()] == ["unknown"]
    store.remove("mine")
    assert store.list() == []


def test_a_failed_conversion_leaves_nothing(store: ModelStore, gguf: Path):
    gguf.write_bytes(gguf.read_bytes()[:-1000])
    with pytest.raises(ModelFileError, match="truncated"):
        store.add(gguf, name="mine")
    assert folders(store) == []


def test_leftovers_of_a_killed_process_are_cleaned_up(store: ModelStore, gguf: Path):
    leftover = store.root / ".mine~abc" / "model"
    leftover.mkdir(parents=True)
    other = store.root / ".mine.too~abc"
    other.mkdir()
    store.add(gguf, name="mine")
    assert folders(store) == [".mine.too~abc", "mine"]


def test_the_default_models_wheel_is_added_without_a_network(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    wheel, pin = write_wheel(tmp_path)
    monkeypatch.setattr(recipes, "DEFAULT_WHEEL", pin)
    assert store.add(wheel).name == DEFAULT_MODEL
    assert store.add(wheel, name="as-it-is", precision=Precision.OWN).name == "as-it-is"
    precisions = {model.name: model.precision for model in store.list()}
    assert precisions == {DEFAULT_MODEL: Precision.EIGHT_BITS, "as-it-is": Precision.OWN}
    wheel.unlink()
    assert store.resolve(DEFAULT_MODEL).layers == 2


def test_a_file_is_not_converted_again_unless_another_precision_is_asked_for(store: ModelStore, gguf: Path):
    folder = store.add(gguf, name="mine", precision=Precision.EIGHT_BITS)
    assert store.add(gguf, name="mine") == store.add(gguf, name="mine", precision=Precision.EIGHT_BITS) == folder
    with pytest.raises(InvalidRequestError, match="precision `8bit`"):
        store.add(gguf, name="mine", precision=Precision.OWN)


def test_a_folder_has_the_precision_that_it_has(store: ModelStore, gguf: Path):
    folder = store.add(gguf, name="mine").path
    with pytest.raises(InvalidRequestError, match="as they are"):
        store.add(folder, name="other", precision=Precision.FLOAT)
    assert store.add(folder, name="other", precision=Precision.OWN).name == "other"


def test_a_cache_folder_that_cannot_be_made_is_told(tmp_path: Path, gguf: Path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(StorageError, match="Cannot make the folder"):
        ModelStore(tmp_path / "file" / "models").add(gguf)


def test_a_cache_folder_that_cannot_be_written_is_told(store: ModelStore, gguf: Path):
    (store.root / ".tiny-model.q4_1.lock").mkdir(parents=True)  # in the way; permissions would not stop a superuser
    with pytest.raises(StorageError, match="Cannot lock"):
        store.add(gguf)


def test_a_disk_that_fills_up_during_the_conversion_is_told_and_leaves_nothing(
    store: ModelStore, gguf: Path, monkeypatch: pytest.MonkeyPatch
):
    def write(writer: ExternalDataWriter, values: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ExternalDataWriter, "write", write)
    with pytest.raises(StorageError, match="No space left"):
        store.add(gguf)
    assert folders(store) == []


def test_nothing_at_the_path_is_a_model_not_found(store: ModelStore, tmp_path: Path):
    with pytest.raises(ModelNotFoundError, match=r"nothing\.gguf"):
        store.add(tmp_path / "nothing.gguf")


@pytest.mark.parametrize("asked", ["Tiny:latest", "vendor/tiny", "TINY"])
def test_a_model_is_found_by_the_names_that_clients_write(tmp_path: Path, asked: str) -> None:
    (tmp_path / "tiny").mkdir()

    assert ModelStore(tmp_path).find(asked) == "tiny"
    assert ModelStore(tmp_path).find(f"vendor/{DEFAULT_MODEL}:latest") == DEFAULT_MODEL


def test_what_is_not_here_is_not_looked_for_any_further(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="none of that name is installed"):
        ModelStore(tmp_path).find("smolm2-typo")
