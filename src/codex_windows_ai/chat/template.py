"""Messages to prompt: the model's own chat template, rendered in a sandbox."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import InvalidRequestError, ModelFileError
from codex_windows_ai.protocol.request import Message, ToolOffer


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _tojson(value: Any, indent: int | None = None, **_: Any) -> str:
    # Jinja's own filter escapes for HTML, which a model was never trained on.
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _strftime_now(pattern: str) -> str:
    return datetime.datetime.now().astimezone().strftime(pattern)


class ChatTemplate:
    """The chat template of one model folder (Jinja as Hugging Face tokenizers use it).

    Raises ModelFileError: the template is missing or does not compile.
    """

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        source, self._special_tokens = _read(folder)
        # A template that has the model call tools in another form than ours is not used for them.
        self._takes_tools = "tools" in source and "<tool_call>" in source
        self._takes_results = "tool_response" in source
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols], autoescape=False
        )
        environment.filters["tojson"] = _tojson
        functions: dict[str, Any] = {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
        environment.globals.update(functions)
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise ModelFileError(f"The chat template in {folder} does not compile: {error}") from error

    def encode(self, messages: Sequence[Message], tools: ToolOffer | None = None) -> list[int]:
        """Token ids of the conversation, up to where the assistant's answer begins.

        A template that knows no tools gets them as words in the system message, and what they
        returned as a user's turn in `<tool_response>`, as Hermes models were trained
        (https://github.com/NousResearch/Hermes-Function-Calling).

        Raises InvalidRequestError: the template refuses these messages.
        """
        if tools and not self._takes_tools:
            messages = _with_instructions(messages, tools.instructions)
        if not self._takes_results:
            messages = [_as_user(message) if message.role == "tool" else message for message in messages]
        protected: list[str] = []
        conversation = [
            {"role": message.role, "content": self._tokenizer.protect(message.content, protected)}
            for message in messages
        ]
        definitions = (
            [self._protect(json.loads(definition), protected) for definition in tools.definitions]
            if tools and self._takes_tools
            else None
        )
        try:
            prompt = self._template.render(
                messages=conversation, tools=definitions, add_generation_prompt=True, **self._special_tokens
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


def _with_instructions(messages: Sequence[Message], instructions: str) -> Sequence[Message]:
    """The conversation with these words at the end of its system message."""
    if messages and messages[0].role == "system":
        return [Message("system", f"{messages[0].content}\n\n{instructions}"), *messages[1:]]
    return [Message("system", instructions), *messages]


def _as_user(message: Message) -> Message:
    return Message("user", f"<tool_response>\n{message.content}\n</tool_response>")


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
