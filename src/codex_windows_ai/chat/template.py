"""The model's own chat template (Jinja as Hugging Face tokenizers use it), rendered in a sandbox."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

from jinja2 import TemplateError, meta
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import InvalidRequestError, ModelFileError

_OWN_VARIABLES = {"messages", "tools", "add_generation_prompt"}


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _tojson(value: Any, indent: int | None = None, **_: Any) -> str:
    # Jinja's own filter escapes for HTML, which a model was never trained on.
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _strftime_now(pattern: str) -> str:
    return datetime.datetime.now().astimezone().strftime(pattern)


class ChatTemplate:
    """The chat template of one model folder; `source` is its text.

    Raises ModelFileError: the template is missing or does not compile.
    """

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.source, self._special_tokens = _read(folder)
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols], autoescape=False
        )
        environment.filters["tojson"] = _tojson
        functions: dict[str, Any] = {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
        environment.globals.update(functions)
        try:
            self._template = environment.from_string(self.source)
            free = meta.find_undeclared_variables(environment.parse(self.source))
        except TemplateError as error:
            raise ModelFileError(f"The chat template in {folder} does not compile: {error}") from error
        self.variables = frozenset(free - _OWN_VARIABLES - self._special_tokens.keys() - functions.keys())
        """What a request may tell the template besides the conversation, by name."""

    def encode(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> list[int]:
        """Token ids of the conversation, up to where the assistant's answer begins.

        Every text in `messages`, `tools` and `options` is data: special tokens in it are not obeyed. Of the options
        those are used that the template knows (`variables`).

        Raises InvalidRequestError: the template refuses these messages.
        """
        protected: list[str] = []
        conversation = [
            {name: value if name == "role" else self._protect(value, protected) for name, value in message.items()}
            for message in messages
        ]
        definitions = None if tools is None else [self._protect(tool, protected) for tool in tools]
        try:
            prompt = self._template.render(
                messages=conversation,
                tools=definitions,
                add_generation_prompt=True,
                **self._special_tokens,
                **{
                    name: self._protect((options or {})[name], protected)
                    for name in self.variables & (options or {}).keys()
                },
            )
        except Exception as error:  # a template is a program: it may fail in any way
            raise InvalidRequestError(f"The model's chat template refuses these messages: {error}") from error
        return self._tokenizer.encode_prompt(prompt, protected)

    def _protect(self, value: Any, protected: list[str]) -> Any:
        """Every text in a JSON value as data, as messages are."""
        if isinstance(value, str):
            return self._tokenizer.protect(value, protected)
        if isinstance(value, list):
            return [self._protect(item, protected) for item in cast("list[Any]", value)]
        if isinstance(value, dict):
            entries = cast("dict[str, Any]", value).items()
            return {self._protect(name, protected): self._protect(item, protected) for name, item in entries}
        return value


def _read(folder: Path) -> tuple[str, dict[str, str]]:
    """The template's source and the special tokens that it may name."""
    try:
        config = cast("dict[str, Any]", json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")))
        file = folder / "chat_template.jinja"
        source = file.read_text(encoding="utf-8") if file.exists() else config.get("chat_template")
    except (OSError, ValueError) as error:
        raise ModelFileError(f"Cannot read the tokenizer's configuration in {folder}: {error}") from error
    if not isinstance(source, str):
        raise ModelFileError(
            f"The model in {folder} has no chat template.",
            hint="It may be a base model; use one that was trained for chat (`-Instruct`).",
        )
    tokens: dict[str, str] = {}
    for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
        value: Any = config.get(name)
        value = cast("dict[str, Any]", value).get("content") if isinstance(value, dict) else value
        if isinstance(value, str):
            tokens[name] = value
    return source, tokens
