import json
from pathlib import Path

import pytest

from codex_windows_ai.errors import ModelFileError, ModelNotFoundError, UnsupportedModelError
from codex_windows_ai.models.folder import read_model_folder
from tests.models.synthetic import TEMPLATE, Tiny


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


HUGE = [2**31, 2**60, 10**4000]
NO_SIZES = [0, -1, 1.5, float("nan"), float("inf"), True, None, "long", [64], {"a": 1}, *HUGE]
SIZES = [
    "context_length",
    "vocab_size",
    "decoder.num_hidden_layers",
    "decoder.num_attention_heads",
    "decoder.hidden_size",
]


def configured(folder: Path, key: str, value: object) -> Path:
    """The folder with another value at `model.KEY`."""
    file = folder / "genai_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    *sections, last = key.split(".")
    section = config["model"]
    for name in sections:
        section = section[name]
    section[last] = value
    file.write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize("value", NO_SIZES, ids=lambda value: f"{value}"[:20])
@pytest.mark.parametrize("key", SIZES)
def test_a_size_that_is_none_is_refused_by_its_key(key: str, value: object, folder: Path):
    with pytest.raises(ModelFileError, match=rf"genai_config\.json.*{key}") as caught:
        read_model_folder(configured(folder, key, value))
    assert len(caught.value.message) < 400 + len(str(folder))


@pytest.mark.parametrize(
    "value", [-1, 269, 2**60, 1.0, float("nan"), True, None, "two", [], [2, 269], [[2]], {}, [0] * 2000], ids=repr
)
def test_end_tokens_that_are_none_of_the_vocabulary_are_refused(value: object, folder: Path):
    assert len(Tiny().vocabulary()) == 269
    with pytest.raises(ModelFileError, match=r"genai_config\.json.*eos_token_id"):
        read_model_folder(configured(folder, "eos_token_id", value))


@pytest.mark.parametrize(
    "value",
    ["past", "%d.%d", "%s", "%%d", "%999999999d", "%(layer)d", "x" * 500 + "%d", 5, None],
    ids=lambda v: str(v)[:9],
)
@pytest.mark.parametrize("key", ["inputs.past_key_names", "outputs.present_value_names"])
def test_names_of_layers_without_the_layer_are_refused(key: str, value: object, folder: Path):
    with pytest.raises(ModelFileError, match=key):
        read_model_folder(configured(folder, f"decoder.{key}", value))


@pytest.mark.parametrize("value", [None, 5, [], "model"])
@pytest.mark.parametrize("key", ["decoder", "decoder.inputs", "decoder.outputs"])
def test_a_section_that_is_none_is_refused(key: str, value: object, folder: Path):
    with pytest.raises(ModelFileError, match=r"genai_config\.json"):
        read_model_folder(configured(folder, key, value))


JSON_FILES = ["genai_config.json", "tokenizer.json", "tokenizer_config.json"]


@pytest.mark.parametrize("name", JSON_FILES)
@pytest.mark.parametrize("pair", ["[]", '{"a":}'])
def test_a_file_nested_without_end_is_named(name: str, pair: str, folder: Path):
    (folder / name).write_text(pair[:-1] * 100_000, encoding="utf-8")
    with pytest.raises(ModelFileError, match=name):
        read_model_folder(folder)


@pytest.mark.parametrize("name", [*JSON_FILES, "chat_template.jinja"])
def test_a_file_that_is_not_utf_8_is_named_and_no_other(name: str, folder: Path):
    (folder / name).write_bytes(b'{"a": "\xe9t\xe9"}')
    with pytest.raises(ModelFileError, match=f"{name} is not UTF-8") as caught:
        read_model_folder(folder)
    assert caught.value.hint == "Save it as UTF-8."


@pytest.mark.parametrize("name", ["genai_config.json", "tokenizer_config.json", "chat_template.jinja"])
def test_a_file_without_end_is_named_and_not_read(name: str, folder: Path):
    with (folder / name).open("wb") as file:
        file.truncate(1 << 40)  # takes no room on the disk
    with pytest.raises(ModelFileError, match=f"{name} has more than"):
        read_model_folder(folder)


def test_a_byte_order_mark_is_no_fault(folder: Path):
    file = folder / "genai_config.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read_model_folder(folder).layers == 2


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
