"""What a model folder's files say of its chat template, as Transformers reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models.contents import read_object, read_text
from codex_windows_ai.models.folder import CHAT_TEMPLATE, TOKENIZER_CONFIGURATION

_MORE_TEMPLATES = "additional_chat_templates"
_FOUNDRY_LOCAL = "inference_model.json"
_DEFAULT, _TOOL_USE = "default", "tool_use"
_SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


@dataclass(frozen=True, slots=True)
class TemplateFiles:
    """The templates, and what else a template may name. `tool_source` is used where tools are told of."""

    source: str
    tool_source: str
    special_tokens: dict[str, str]
    """By their names in templates: `bos_token` and so on."""
    adds_bos: bool | None
    """Whether prompts begin with `bos_token`; None where the configuration does not say."""


def read_template_files(folder: Path) -> TemplateFiles:
    """Reads them.

    Raises ModelFileError: there is no template; or as `models/contents.py`.
    """
    configuration = read_object(folder / TOKENIZER_CONFIGURATION, folder)
    sources = _sources(folder, configuration.get("chat_template"))
    if not sources:
        raise ModelFileError(f"The model in {folder} has no chat template.", hint=missing_template(folder))
    source = sources.get(_DEFAULT) or next(iter(sources.values()))
    return TemplateFiles(
        source=source,
        tool_source=sources.get(_TOOL_USE, source),
        special_tokens=_special_tokens(configuration),
        adds_bos=_adds_bos(configuration),
    )


def has_template(folder: Path) -> bool:
    """Whether there is a template at all. Raises as `models/contents.py`."""
    configuration = read_object(folder / TOKENIZER_CONFIGURATION, folder)
    return bool(_sources(folder, configuration.get("chat_template")))


def read_beginning(folder: Path) -> tuple[str | None, bool | None]:
    """The text of the token that begins a sequence, and whether prompts begin with it, as far as files say so.

    Raises as `models/contents.py`.
    """
    configuration = read_object(folder / TOKENIZER_CONFIGURATION, folder)
    return _special_tokens(configuration).get("bos_token"), _adds_bos(configuration)


def _special_tokens(configuration: Mapping[str, Any]) -> dict[str, str]:
    return {name: text for name in _SPECIAL_TOKENS if (text := _text_of(configuration.get(name)))}


def _adds_bos(configuration: Mapping[str, Any]) -> bool | None:
    adds = configuration.get("add_bos_token")
    return adds if isinstance(adds, bool) else None


def missing_template(folder: Path) -> str:
    """What to do about a folder without a template."""
    if (folder / _FOUNDRY_LOCAL).exists():
        return (
            f"The prompt template in `{_FOUNDRY_LOCAL}` is not read: it has no place for tools and what they return. "
            f"Put the model's own template (`{CHAT_TEMPLATE}`, or `chat_template` of its `{TOKENIZER_CONFIGURATION}`) "
            "beside it."
        )
    return "It may be a base model; use one that was trained for chat (`-Instruct`)."


def _sources(folder: Path, configured: Any) -> dict[str, str]:
    """The templates by name: those in files of their own, else those of the configuration."""
    files = {_DEFAULT: folder / CHAT_TEMPLATE} | {
        file.stem: file for file in sorted((folder / _MORE_TEMPLATES).glob("*.jinja"))
    }
    if found := {name: read_text(file, folder) for name, file in files.items() if file.exists()}:
        return found
    if isinstance(configured, str):
        return {_DEFAULT: configured}
    if isinstance(configured, dict):
        named = cast("dict[str, Any]", configured)
    else:
        listed = cast("list[Any]", configured) if isinstance(configured, list) else []
        entries = [cast("dict[str, Any]", entry) for entry in listed if isinstance(entry, dict)]
        named = {str(entry.get("name")): entry.get("template") for entry in entries}
    return {name: source for name, source in named.items() if isinstance(source, str)}


def _text_of(token: Any) -> str | None:
    """A token's text; configurations write it as it is, or as an object with more."""
    text = cast("dict[str, Any]", token).get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None
