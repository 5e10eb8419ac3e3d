"""A model folder in the ONNX Runtime GenAI format: `genai_config.json` and the files it names.

Format: https://onnxruntime.ai/docs/genai/reference/config.html.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from codex_windows_ai.errors import ModelFileError, ModelNotFoundError, UnsupportedModelError

CONFIGURATION = "genai_config.json"
CPU_MODEL = "model.cpu.onnx"
EXACT_SUMS = ("session.x64quantprecision", "1")
"""A session's configuration entry, which CPU_MODEL needs: with it x86 processors without VNNI add products exactly.

Their fast kernel adds pairs of them in 16 bits, which is too few:
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html (when to use U8U8). Other processors
ignore it.
"""
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIGURATION = "tokenizer_config.json"
CHAT_TEMPLATE = "chat_template.jinja"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What a runtime needs to know of a model before it loads it. Paths are absolute."""

    name: str
    path: Path
    model_file: Path
    cpu_model_file: Path
    """The CPU graph, which processors compute faster, where our converter made one; else `model_file`."""
    tokenizer_file: Path
    context_length: int
    vocabulary_size: int
    layers: int
    heads: int
    hidden_size: int
    eos_token_ids: tuple[int, ...]
    chat_template: str | None
    past_key_names: str
    """A pattern with one `%d` for the layer; so are the three below."""
    past_value_names: str
    present_key_names: str
    present_value_names: str


def read_model_folder(path: Path, *, name: str | None = None) -> ModelFolder:
    """Reads and checks a model folder; `name` is by default the folder's own.

    Raises ModelNotFoundError: no such folder. ModelFileError: a file is missing or does not parse.
    UnsupportedModelError: it is not a text decoder in one graph.
    """
    path = path.absolute()
    if not path.is_dir():
        raise ModelNotFoundError(f"There is no model folder {path}.")
    file = path / CONFIGURATION
    values = _Values(file, _read_json(file))
    if "decoder" not in values.section("model"):
        raise UnsupportedModelError(f"{file} describes no text decoder (`model.decoder`).")
    try:
        return _parse(path, name or path.name, values)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{file}: {error.args[0] if error.args else error}") from error


def _parse(path: Path, name: str, values: _Values) -> ModelFolder:
    end = values.find("model.eos_token_id")
    ends = tuple(int(number) for number in (cast("list[int]", end) if isinstance(end, list) else [end]))
    decoder, tokenizer = "model.decoder", path / TOKENIZER
    _read_json(tokenizer)
    model_file = _existing(path / values.text(f"{decoder}.filename"))
    return ModelFolder(
        name=name,
        path=path,
        model_file=model_file,
        cpu_model_file=path / CPU_MODEL if (path / CPU_MODEL).is_file() else model_file,
        tokenizer_file=tokenizer,
        context_length=values.integer("model.context_length"),
        vocabulary_size=values.integer("model.vocab_size"),
        layers=values.integer(f"{decoder}.num_hidden_layers"),
        heads=values.integer(f"{decoder}.num_attention_heads"),
        hidden_size=values.integer(f"{decoder}.hidden_size"),
        eos_token_ids=ends,
        chat_template=_chat_template(path),
        past_key_names=values.text(f"{decoder}.inputs.past_key_names"),
        past_value_names=values.text(f"{decoder}.inputs.past_value_names"),
        present_key_names=values.text(f"{decoder}.outputs.present_key_names"),
        present_value_names=values.text(f"{decoder}.outputs.present_value_names"),
    )


class _Values:
    """Values of a JSON object by dotted path, with errors that name the path."""

    def __init__(self, file: Path, root: dict[str, Any]) -> None:
        self._file = file
        self._root = root

    def find(self, key: str) -> Any:
        value: Any = self._root
        for part in key.split("."):
            value = cast("dict[str, Any]", value).get(part) if isinstance(value, dict) else None
        if value is None:
            raise ModelFileError(f"{self._file} lacks `{key}`.")
        return value

    def section(self, key: str) -> dict[str, Any]:
        value = self.find(key)
        if not isinstance(value, dict):
            raise ModelFileError(f"{self._file}: `{key}` must be an object.")
        return cast("dict[str, Any]", value)

    def text(self, key: str) -> str:
        value = self.find(key)
        if not isinstance(value, str):
            raise ModelFileError(f"{self._file}: `{key}` must be a string, found {value!r}.")
        return value

    def integer(self, key: str) -> int:
        value = self.find(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ModelFileError(f"{self._file}: `{key}` must be a positive integer, found {value!r}.")
        return value


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise ModelFileError(f"The model file {file} is missing.", hint="Fetch or convert the model again.")
    return file


def _read_json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(_existing(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelFileError(f"Cannot read the model file {file}: {error}") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"The model file {file} must hold a JSON object.")
    return cast("dict[str, Any]", value)


def _chat_template(path: Path) -> str | None:
    """The Jinja template of the conversation format: its own file, or a field of the tokenizer's configuration."""
    file = path / CHAT_TEMPLATE
    if file.is_file():
        return file.read_text(encoding="utf-8")
    configuration = path / TOKENIZER_CONFIGURATION
    template = _read_json(configuration).get("chat_template") if configuration.is_file() else None
    return template if isinstance(template, str) else None
