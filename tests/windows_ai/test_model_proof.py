"""A model that cannot answer is not installed, whichever way it comes, and says why in a sentence."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from codex_windows_ai.errors import ModelError
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.settings import load_settings
from codex_windows_ai.windows_ai.engine_provider import EngineProvider
from codex_windows_ai.windows_ai.model_proof import model_store, prove_model
from tests.models import synthetic
from tests.models.synthetic import Tiny

Change = Callable[[Path], Any]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return model_store(tmp_path / "models")


def nothing_is_left(root: Path) -> bool:
    return not root.exists() or not [entry for entry in root.iterdir() if entry.is_dir()]


def cut(name: str, part: float) -> Change:
    def change(folder: Path) -> None:
        os.truncate(folder / name, int((folder / name).stat().st_size * part))

    return change


def write(name: str, content: str) -> Change:
    return lambda folder: (folder / name).write_text(content, encoding="utf-8")


def remove(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def no_numbers(folder: Path) -> None:
    """A norm's weights are no numbers any more: the graph loads, and computes none."""
    model = onnx.ModelProto.FromString((folder / "model.onnx").read_bytes())
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "final_norm")
    place = {entry.key: entry.value for entry in tensor.external_data}
    with (folder / place["location"]).open("r+b") as file:
        file.seek(int(place["offset"]))
        file.write(np.full(int(place["length"]) // 4, np.nan, "<f4").tobytes())


def other_vocabulary(folder: Path) -> None:
    file = folder / "genai_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["model"] |= {"vocab_size": 5000, "eos_token_id": [4999]}
    file.write_text(json.dumps(config), encoding="utf-8")


def sparse_tokens(folder: Path) -> None:
    file = folder / "tokenizer.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["model"]["vocab"]["hello"] = 2**32 - 1
    file.write_text(json.dumps(config), encoding="utf-8")


BROKEN: dict[str, tuple[Change, str]] = {
    "graph cut at 0 %": (cut("model.onnx", 0), r"model\.onnx"),
    "graph cut at 10 %": (cut("model.onnx", 0.1), r"model\.onnx"),
    "graph cut at 50 %": (cut("model.onnx", 0.5), r"model\.onnx"),
    "graph cut at 95 %": (cut("model.onnx", 0.95), r"model\.onnx"),
    "CPU graph cut": (cut("model.cpu.onnx", 0.5), r"model\.cpu\.onnx"),
    "weights empty": (cut("model.onnx.data", 0), "cannot load"),
    "weights cut": (cut("model.onnx.data", 0.5), "cannot load"),
    "weights missing": (remove("model.onnx.data"), r"model\.onnx\.data is missing"),
    "weights that are no numbers": (no_numbers, "no numbers"),
    "tokenizer is {}": (write("tokenizer.json", "{}"), r"tokenizer\.json"),
    "tokenizer is another file": (write("tokenizer.json", '{"model": {"type": "BPE"}}'), r"tokenizer\.json"),
    "tokens far beyond the vocabulary": (sparse_tokens, r"tokenizer\.json|4294967295"),
    "template that does not compile": (write("chat_template.jinja", "{% for %}"), "does not compile"),
    "template that refuses": (write("chat_template.jinja", "{{ raise_exception('never') }}"), "never"),
    "template that says nothing": (write("chat_template.jinja", ""), "empty|does not write"),
    "end tokens outside of the graph's vocabulary": (other_vocabulary, "269 tokens"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_folder_that_cannot_answer_is_refused_in_a_sentence_and_leaves_nothing(
    fault: str, folder: Path, store: ModelStore, recwarn: pytest.WarningsRecorder
):
    change, said = BROKEN[fault]
    change(folder)
    with pytest.raises(ModelError, match=said) as caught:
        store.add(folder)
    assert ".tiny~" not in caught.value.message  # the scratch folder, which is gone
    assert caught.value.hint
    assert nothing_is_left(store.root)
    assert not recwarn.list


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system does not say what is mapped")
@pytest.mark.parametrize("fault", [None, "weights that are no numbers"])
def test_no_file_is_held_once_the_model_was_tried(fault: str | None, folder: Path, store: ModelStore):
    if fault:
        BROKEN[fault][0](folder)
        with pytest.raises(ModelError) as caught:
            store.add(folder)
        assert caught.value.__cause__  # which is kept as long as the error
    else:
        store.add(folder)
    assert str(store.root) not in Path("/proc/self/maps").read_text(encoding="utf-8")


def test_a_sound_folder_and_a_sound_file_are_installed(folder: Path, tmp_path: Path, store: ModelStore):
    store.add(folder)
    store.add(Tiny().write(tmp_path / "file.gguf"))
    assert [model.name for model in store.list()] == ["file", "tiny"]
    store.verify("file")
    store.verify("tiny")


def without_template(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(synthetic, "TEMPLATE", "")
    return Tiny().write(path)


def test_a_file_without_a_template_is_added_and_what_it_cannot_do_is_said(
    tmp_path: Path, store: ModelStore, monkeypatch: pytest.MonkeyPatch
):
    store.add(without_template(tmp_path / "base.gguf", monkeypatch))

    (added,) = store.list()
    assert any("no chat template" in remark and "-Instruct" in remark for remark in added.remarks)


def test_a_model_that_a_runtime_converts_on_its_way_is_proved_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(synthetic, "TEMPLATE", "{{ raise_exception('never') }}")
    path = Tiny().write(tmp_path / "mute.gguf")
    with pytest.raises(ModelError, match="never"):
        EngineProvider(load_settings(model=str(path)))
    assert nothing_is_left(tmp_path / "home" / "cache" / "models")


def test_remarks_stay_with_the_model(folder: Path, tmp_path: Path):
    def prove(model: ModelFolder) -> tuple[str, ...]:
        assert model.name == "tiny"
        assert prove_model(model) == ()
        return ("It is small.",)

    store = ModelStore(tmp_path / "models", prove=prove)
    store.add(folder)
    assert [model.remarks for model in ModelStore(tmp_path / "models").list()] == [("It is small.",)]
    store.verify("tiny")
