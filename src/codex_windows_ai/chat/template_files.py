"""What a model folder's files say of its chat template, as Transformers reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from codex_windows_ai.errors import ModelFileError

CONFIGURATION, TEMPLATE, MORE_TEMPLATES = "tokenizer_config.json", "chat_template.jinja", "additional_chat_templates"
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

    Raises ModelFileError: there is no template, or a file cannot be read.
    """
    configuration = _configuration(folder / CONFIGURATION)
    sources = _sources(folder, configuration.get("chat_template"))
    if not sources:
        raise ModelFileError(
            f"The model in {folder} has no chat template.",
            hint="It may be a base model; use one that was trained for chat (`-Instruct`).",
        )
    source = sources.get(_DEFAULT) or next(iter(sources.values()))
    adds = configuration.get("add_bos_token")
    return TemplateFiles(
        source=source,
        tool_source=sources.get(_TOOL_USE, source),
        special_tokens={name: text for name in _SPECIAL_TOKENS if (text := _text_of(configuration.get(name)))},
        adds_bos=adds if isinstance(adds, bool) else None,
    )


def _sources(folder: Path, configured: Any) -> dict[str, str]:
    """The templates by name: those in files of their own, else those of the configuration."""
    files = {_DEFAULT: folder / TEMPLATE} | {
        file.stem: file for file in sorted((folder / MORE_TEMPLATES).glob("*.jinja"))
    }
    if found := {name: _read(file, "chat template") for name, file in files.items() if file.exists()}:
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


def _configuration(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(_read(file, "tokenizer's configuration"))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"The tokenizer's configuration {file} is not readable JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"The tokenizer's configuration {file} must hold a JSON object.")
    return cast("dict[str, Any]", value)


def _read(file: Path, what: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError(
            f"The {what} {file} is not UTF-8: the byte {error.object[error.start]:#04x} at {error.start} begins no "
            "character.",
            hint="Fetch the model again, or save the file as UTF-8.",
        ) from error
    except OSError as error:
        raise ModelFileError(f"Cannot read the {what} {file}: {error}") from error


def _text_of(token: Any) -> str | None:
    """A token's text; configurations write it as it is, or as an object with more."""
    text = cast("dict[str, Any]", token).get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None
