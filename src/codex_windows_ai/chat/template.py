"""The model's own chat template (Jinja as Transformers uses it): from turns to token ids.

It is read and tried when it is loaded: which turns it takes (`turns.py`), and by which tokens it says who speaks
(`control_tokens.py`). It runs in a process of its own, under bounds (`sandbox.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from codex_windows_ai.chat import sandbox
from codex_windows_ai.chat.beginning import learn_beginning
from codex_windows_ai.chat.call_style import CallStyle, learn_calls
from codex_windows_ai.chat.control_tokens import take_control_tokens
from codex_windows_ai.chat.sandbox import BOUNDS, Bounds, Examined
from codex_windows_ai.chat.template_files import read_template_files
from codex_windows_ai.chat.turns import Turn, TurnForm, learn_form
from codex_windows_ai.chat.written import Obeyed, Written
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import InvalidRequestError, ModelFileError, TemplateOverLimitError

_SAMPLE = tuple({"role": role, "content": "word"} for role in ("system", "user", "assistant", "user"))
_OWN_VARIABLES = ("messages", "tools", "documents", "add_generation_prompt")
_CONTINUES_HERE = "\ufdd2"
"""A noncharacter, as those that protect texts are."""


class ChatTemplate:
    """The chat template of one model folder; `source` is its text, `tool_source` that of the one for tools.

    What it writes is found in the tokenizer's vocabulary, which may change how the tokenizer reads prompts: nobody
    else encodes meanwhile. `remarks` say what of a conversation, or of the tokenizer, is not as it should be.

    Raises ModelFileError: the template is missing or does not compile.
    """

    def __init__(self, folder: Path, tokenizer: Tokenizer, *, bounds: Bounds = BOUNDS) -> None:
        self._tokenizer = tokenizer
        self._bounds = bounds
        files = read_template_files(folder)
        self.source, self.tool_source = files.source, files.tool_source
        self._special_tokens = files.special_tokens
        examined = [self._examine(source, folder) for source in dict.fromkeys((self.source, self.tool_source))]
        texts = [text for one in examined for text in one.literals]
        self.literals = tuple(texts)
        """What stands in it as it is."""
        known = {*_OWN_VARIABLES, *self._special_tokens}
        self.variables: frozenset[str] = frozenset[str]().union(*(one.variables for one in examined)) - known
        """What a request may tell the template besides the conversation, by name."""
        self._over_limit: TemplateOverLimitError | None = None
        self._form = TurnForm()
        self.calls = CallStyle()
        """How it takes calls, and what they returned."""
        try:
            texts.append(self._sample())
            self._form = learn_form(lambda turns: self._write(turns, {}))
            self.calls = learn_calls(self.written)
        except TemplateOverLimitError as error:
            self._over_limit = error  # every request would take as much again
        written = take_control_tokens(texts, files.special_tokens.values(), tokenizer)
        self.remarks: tuple[str, ...] = (*written.remarks, *self._form.remarks)
        self.beginning = learn_beginning(tokenizer, files.special_tokens.get("bos_token"), adds=files.adds_bos)
        """What a prompt begins with."""

    @property
    def alternates(self) -> bool:
        """Whether user and assistant must take turns."""
        return not self._form.neighbours

    def written(self, turns: Sequence[Turn], tools: Sequence[dict[str, Any]] | None = None) -> str:
        """What the template writes of turns that are no user's, as text.

        Raises InvalidRequestError: it refuses them. TemplateOverLimitError: it takes too much.
        """
        return self._write(turns, {"tools": tools})

    def encode(
        self,
        messages: Sequence[Turn],
        tools: Sequence[dict[str, Any]] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> list[int]:
        """Token ids of the conversation, up to where the assistant's answer begins.

        Every text in `messages`, `tools` and `options` is data: special tokens in it are not obeyed. Of the options
        those are used that the template knows (`variables`).

        Raises InvalidRequestError: the template refuses these messages. TemplateOverLimitError: it takes too much.
        """
        protected: list[str] = []
        turns, given = self._turns(messages, protected), self._given(tools, options, protected)
        return self._tokens(self._render(turns, given), protected)

    def encode_continued(
        self,
        messages: Sequence[Turn],
        tools: Sequence[dict[str, Any]] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> list[int] | None:
        """Token ids of the conversation, up to the end of the last message's words, which an answer goes on from.

        None where the template does not write these words as they are. Otherwise as `encode`.
        """
        protected: list[str] = []
        turns, given = self._turns(messages, protected), self._given(tools, options, protected)
        words = turns[-1]["content"]
        if not isinstance(words, str):
            return None
        turns[-1]["content"] = f"{words}{_CONTINUES_HERE}"
        prompt = self._render(turns, {**given, "add_generation_prompt": False})
        before, mark, _ = prompt.rpartition(_CONTINUES_HERE)
        # Templates strip what stands around a message's words; the mark keeps what stands behind them.
        return self._tokens(before, protected) if mark and before.endswith(words.lstrip()) else None

    def try_write(self, turns: Sequence[Turn], options: Mapping[str, Any]) -> str | None:
        """What it writes of turns that are its own and nobody's data; None where it refuses them."""
        try:
            return None if self._over_limit else self._write(self._form.apply(turns), options)
        except InvalidRequestError:
            return None

    def _examine(self, source: str, folder: Path) -> Examined:
        try:
            return sandbox.examine(source, self._bounds)
        except ModelFileError as error:
            message = f"The chat template in {folder} does not compile: {error.message}"
            raise ModelFileError(message, hint="Use another file of this model, whose template is sound.") from error

    def _sample(self) -> str:
        """What the template writes around a conversation: it may put tokens together from pieces."""
        for form in (self._form, *self._form.stricter):
            try:
                return self._write(form.apply(_SAMPLE), {})
            except TemplateOverLimitError:
                raise
            except InvalidRequestError:
                continue
        return ""

    def _render(self, turns: Sequence[Turn], given: Mapping[str, Any]) -> str:
        """What the template writes of the turns, in the form that it takes; `given` are further variables."""
        if self._over_limit is not None:
            raise _over_limit(self._over_limit)
        refused: InvalidRequestError | None = None
        for form in (self._form, *self._form.stricter):
            try:
                return self._write(form.apply(turns), given)
            except TemplateOverLimitError as error:
                raise _over_limit(error) from error
            except InvalidRequestError as error:
                refused = refused or error
        reason = refused.message if refused else ""
        raise InvalidRequestError(f"The model's chat template refuses these messages: {reason}") from refused

    def _write(self, turns: Sequence[Turn], given: Mapping[str, Any]) -> str:
        conversation = {"messages": turns, "tools": None, "documents": None, "add_generation_prompt": True}
        variables = {**self._special_tokens, **conversation, **given}
        return sandbox.render(self.source if variables["tools"] is None else self.tool_source, variables, self._bounds)

    def _given(
        self, tools: Sequence[dict[str, Any]] | None, options: Mapping[str, Any] | None, protected: list[str]
    ) -> dict[str, Any]:
        """What a template is told besides the turns."""
        known = {name: value for name, value in (options or {}).items() if name in self.variables}
        return {
            **{name: self._protected(value, protected) for name, value in known.items()},
            "tools": self._protected(tools, protected),
        }

    def _tokens(self, prompt: str, protected: Sequence[str]) -> list[int]:
        """Token ids of a rendered prompt, with one token that begins a sequence, whoever is to write it."""
        return self.beginning.begun(self._tokenizer.encode_prompt(prompt, protected))

    def _turns(self, messages: Sequence[Turn], protected: list[str]) -> list[dict[str, Any]]:
        """Turns with every text in them as data; their roles are names, which templates compare."""
        return [{**self._protected(dict(turn), protected), "role": turn["role"]} for turn in messages]

    def _protected(self, value: Any, protected: list[str]) -> Any:
        """A JSON value with every text in it as data."""
        if isinstance(value, Written):
            return "".join(self._protected(piece, protected) for piece in value.pieces)
        if isinstance(value, str):
            return str(value) if isinstance(value, Obeyed) else self._tokenizer.protect(value, protected)
        if isinstance(value, (list, tuple)):
            return [self._protected(item, protected) for item in cast("Sequence[Any]", value)]
        if isinstance(value, dict):
            entries = cast("dict[str, Any]", value).items()
            return {self._protected(name, protected): self._protected(item, protected) for name, item in entries}
        return value


def _over_limit(error: TemplateOverLimitError) -> TemplateOverLimitError:
    return TemplateOverLimitError(
        f"The model's chat template takes too much: {error.message}.",
        hint="Shorten the conversation, or use another file of this model, whose template is sound.",
    )
