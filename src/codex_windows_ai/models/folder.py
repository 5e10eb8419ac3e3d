"""A model folder in the ONNX Runtime GenAI format: `genai_config.json` and the files it names.

Format: https://onnxruntime.ai/docs/genai/reference/config.html.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from codex_windows_ai.errors import ModelFileError, ModelNotFoundError, UnsupportedModelError
from codex_windows_ai.models.contents import MOST_TOKENIZER_BYTES, inner_file, read_object, read_text, shown
from codex_windows_ai.protocol.json_values import as_object

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

_OTHER_PARTS = ("encoder", "embedding", "vision", "speech", "audio", "joiner")
"""Sections of a configuration for the graphs of a model of several."""
_MOST_SIZE = (1 << 31) - 1
_MOST_LAYERS = 4096  # an order of magnitude beyond any model
_MOST_END_TOKENS = 1024
_LAYER_NAME = re.compile(r"[^%]{0,200}%d[^%]{0,200}")


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
    key_value_heads: int | None
    """Of all layers whose graph has a name for them; None where the configuration does not say. So is the next."""
    head_size: int | None
    eos_token_ids: tuple[int, ...]
    chat_template: str | None
    past_key_names: str
    """A pattern with one `%d` for the layer; so are the three below."""
    past_value_names: str
    present_key_names: str
    present_value_names: str

    def kv_heads_and_size(self, heads: object, head_size: object) -> tuple[int, int] | None:
        """Heads and head size of a layer, of which its graph has numbers, or names for what this folder says.

        None where neither says them. GenAI's model builder writes the name `kv_cache_dim` for the head size.
        """
        numbers = [
            here if isinstance(here, int) and here > 0 else said
            for here, said in ((heads, self.key_value_heads), (head_size, self.head_size))
        ]
        return None if numbers[0] is None or numbers[1] is None else (numbers[0], numbers[1])


def read_model_folder(path: Path, *, name: str | None = None) -> ModelFolder:
    """Reads and checks a model folder; `name` is by default the folder's own.

    Raises ModelNotFoundError: no such folder. ModelFileError: a file is missing, lies elsewhere or does not parse, or
    a number cannot be that of a model. UnsupportedModelError: it is not a text decoder in one graph.
    """
    path = path.absolute()
    if not path.is_dir():
        raise ModelNotFoundError(f"There is no model folder {path}.")
    file = path / CONFIGURATION
    values = _Values(file, read_object(file, path))
    _require_decoder(file, values.section("model"))
    return _parse(path, name or path.name, values)


def _require_decoder(file: Path, model: dict[str, Any]) -> None:
    """Raises UnsupportedModelError: it is none, or one part of several."""
    if parts := [name for name in _OTHER_PARTS if name in model]:
        raise UnsupportedModelError(
            f"{file} describes a model of several parts (`model.{parts[0]}`); supported is a text decoder alone.",
            hint="Take the text decoder alone, which GenAI's model builder makes by `exclude_embeds=false`, or another "
            "model.",
        )
    if "decoder" not in model:
        raise UnsupportedModelError(f"{file} describes no text decoder (`model.decoder`).")
    decoder = as_object(model["decoder"])
    if "pipeline" in decoder:
        raise UnsupportedModelError(
            f"{file} describes a decoder in several graphs (`model.decoder.pipeline`), as NPUs want them.",
            hint="Take the model's folder for processors: `…-generic-cpu` in Foundry Local's catalogue.",
        )
    inputs = as_object(decoder.get("inputs"))
    if "past_key_names" not in inputs and (state := next((name for name in inputs if "past" in name), None)):
        raise UnsupportedModelError(
            f"{file} describes other states than keys and values of each layer (`model.decoder.inputs.{state}`).",
            hint="Take a GGUF file of the model, or one whose layers are all attention, such as Qwen3 or Llama 3.",
        )


def _parse(path: Path, name: str, values: _Values) -> ModelFolder:
    decoder = "model.decoder"
    read_object(path / TOKENIZER, path, MOST_TOKENIZER_BYTES)
    model_file = inner_file(path, values.text(f"{decoder}.filename"), f"`{decoder}.filename` in {path / CONFIGURATION}")
    has_cpu_model = (path / CPU_MODEL).exists() or (path / CPU_MODEL).is_symlink()
    vocabulary_size = values.size("model.vocab_size")
    return ModelFolder(
        name=name,
        path=path,
        model_file=model_file,
        cpu_model_file=inner_file(path, CPU_MODEL, str(path)) if has_cpu_model else model_file,
        tokenizer_file=path / TOKENIZER,
        context_length=values.size("model.context_length"),
        vocabulary_size=vocabulary_size,
        layers=values.size(f"{decoder}.num_hidden_layers", _MOST_LAYERS),
        heads=values.size(f"{decoder}.num_attention_heads"),
        hidden_size=values.size(f"{decoder}.hidden_size"),
        key_value_heads=values.optional_size(f"{decoder}.num_key_value_heads"),
        head_size=values.optional_size(f"{decoder}.head_size"),
        eos_token_ids=values.tokens("model.eos_token_id", vocabulary_size),
        chat_template=_chat_template(path),
        past_key_names=values.layer_names(f"{decoder}.inputs.past_key_names"),
        past_value_names=values.layer_names(f"{decoder}.inputs.past_value_names"),
        present_key_names=values.layer_names(f"{decoder}.outputs.present_key_names"),
        present_value_names=values.layer_names(f"{decoder}.outputs.present_value_names"),
    )


class _Values:
    """Values of a JSON object by dotted path, with errors that name the path."""

    def __init__(self, file: Path, root: dict[str, Any]) -> None:
        self._file = file
        self._root = root

    def find(self, key: str) -> Any:
        value = self._find(key)
        if value is None:
            raise ModelFileError(f"{self._file} lacks `{key}`.")
        return value

    def _find(self, key: str) -> Any:
        value: Any = self._root
        for part in key.split("."):
            value = as_object(value).get(part)
        return value

    def section(self, key: str) -> dict[str, Any]:
        value = self.find(key)
        if not isinstance(value, dict):
            raise ModelFileError(f"{self._file}: `{key}` must be an object.")
        return cast("dict[str, Any]", value)

    def text(self, key: str) -> str:
        value = self.find(key)
        if not isinstance(value, str):
            raise self._wrong(key, "a string", value)
        return value

    def size(self, key: str, most: int = _MOST_SIZE) -> int:
        value = self.find(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise self._wrong(key, f"a whole number from 1 to {most}", value)
        return value

    def optional_size(self, key: str) -> int | None:
        return None if self._find(key) is None else self.size(key)

    def tokens(self, key: str, vocabulary_size: int) -> tuple[int, ...]:
        """One token of the vocabulary, or a list of them."""
        value = self.find(key)
        numbers = cast("list[Any]", value) if isinstance(value, list) else [value]
        for number in numbers:
            if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < vocabulary_size:
                raise self._wrong(key, f"tokens of the vocabulary, from 0 to {vocabulary_size - 1}", number)
        if not 1 <= len(numbers) <= _MOST_END_TOKENS:
            raise ModelFileError(f"{self._file}: `{key}` lists {len(numbers)} tokens.")
        return tuple(numbers)

    def layer_names(self, key: str) -> str:
        """A pattern with one `%d`."""
        value = self.text(key)
        if not _LAYER_NAME.fullmatch(value):
            raise self._wrong(key, "a name with one `%d` for the layer", value)
        return value

    def _wrong(self, key: str, wanted: str, found: Any) -> ModelFileError:
        return ModelFileError(f"{self._file}: `{key}` must be {wanted}, found {_described(found)}.")


def _described(value: Any) -> str:
    """A JSON value in a message: numbers and texts as they are, of others the kind."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return shown(str(value)) if not isinstance(value, int) or value.bit_length() < 4096 else "a far larger number"


def _chat_template(path: Path) -> str | None:
    """The Jinja template of the conversation format: its own file, or a field of the tokenizer's configuration."""
    file, configuration = path / CHAT_TEMPLATE, path / TOKENIZER_CONFIGURATION
    template: Any = read_object(configuration, path).get("chat_template") if configuration.exists() else None
    if file.exists():
        template = read_text(file, path)
    return template if isinstance(template, str) else None
