import json
from pathlib import Path

import pytest

from codex_windows_ai.errors import ModelFileError, ModelNotFoundError, UnsupportedModelError
from codex_windows_ai.models.convert.convert import convert
from codex_windows_ai.models.folder import read_model_folder
from codex_windows_ai.models.progress import silent
from tests.models.synthetic import TEMPLATE, Tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "tiny"
    target.mkdir()
    convert(Tiny().write(tmp_path / "tiny.gguf"), target, silent)
    return target


def test_a_converted_folder_tells_its_shape(folder: Path):
    model = read_model_folder(folder)
    assert model.name == "tiny"
    assert (model.layers, model.heads, model.hidden_size) == (2, 4, 64)
    assert (model.context_length, model.vocabulary_size) == (64, len(Tiny().vocabulary()))
    assert model.eos_token_ids == (2, 0)
    assert model.chat_template == TEMPLATE
    assert model.past_key_names % 1 == "past_key_values.1.key"
    assert model.model_file.is_file()


def test_its_configuration_tells_other_runtimes_the_rest(folder: Path):
    model = json.loads((folder / "genai_config.json").read_text(encoding="utf-8"))["model"]
    assert (model["type"], model["bos_token_id"], model["pad_token_id"]) == ("llama", 1, 2)
    decoder = model["decoder"]
    assert (decoder["num_key_value_heads"], decoder["head_size"]) == (2, 16)


@pytest.mark.parametrize("name", ["genai_config.json", "tokenizer.json", "model.onnx"])
def test_a_missing_file_is_named(name: str, folder: Path):
    (folder / name).unlink()
    with pytest.raises(ModelFileError, match=name):
        read_model_folder(folder)


@pytest.mark.parametrize("name", ["genai_config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b'{"model":', b"[]", b"\xff\xfe"])
def test_a_corrupt_file_is_named(name: str, content: bytes, folder: Path):
    (folder / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=name):
        read_model_folder(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [("context_length", 0), ("context_length", "long"), ("vocab_size", None), ("eos_token_id", "two")],
)
def test_a_value_of_the_wrong_kind_is_refused(key: str, value: object, folder: Path):
    file = folder / "genai_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["model"][key] = value
    file.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"genai_config\.json"):
        read_model_folder(folder)


def test_a_single_end_token_is_a_list_of_one(folder: Path):
    file = folder / "genai_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["model"]["eos_token_id"] = 2
    file.write_text(json.dumps(config), encoding="utf-8")
    assert read_model_folder(folder).eos_token_ids == (2,)


def test_a_model_that_is_no_text_decoder_is_refused(folder: Path):
    (folder / "genai_config.json").write_text('{"model": {"encoder": {}}}', encoding="utf-8")
    with pytest.raises(UnsupportedModelError, match="decoder"):
        read_model_folder(folder)


def test_no_folder_is_a_model_not_found(tmp_path: Path):
    with pytest.raises(ModelNotFoundError, match="nowhere"):
        read_model_folder(tmp_path / "nowhere")
