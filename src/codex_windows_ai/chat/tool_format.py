"""What formats with calls have in common: the conversation and the tools, by the model's template."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from codex_windows_ai.chat.answer_reader import WRAPPED, wrapped
from codex_windows_ai.chat.call_grammar import Rules, without_calls
from codex_windows_ai.chat.call_style import PROBE
from codex_windows_ai.chat.control_tokens import take_control_tokens
from codex_windows_ai.chat.conversation import Turns, TurnWriter
from codex_windows_ai.chat.format import ChatFormat
from codex_windows_ai.chat.template import ChatTemplate
from codex_windows_ai.chat.written import Written
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import SettingsError
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.message import Call, Message, Part
from codex_windows_ai.protocol.tools import Tool, ToolSet

CUSTOM_PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {WRAPPED: {"type": "string"}},
    "required": [WRAPPED],
    "additionalProperties": False,
}
"""Of a custom tool where it is called as a function: its text is the one argument."""


class ToolFormat(ChatFormat):
    """A format that calls tools in a form of its own.

    The model's template is given tools, calls and results, and writes calls in that form. A format that can do without
    such a template is a `SpellingFormat`.
    """

    markers: ClassVar[tuple[str, ...]]
    """What calls begin with, the first always; where the vocabulary has them as tokens they are such."""
    control: ClassVar[tuple[str, ...]] = ()
    """What else the format writes that may be a token."""

    spells_words: ClassVar[bool] = False
    """Words that a template leaves out beside calls stand before them in one turn, as the model wrote them."""
    custom_as_text: bool = False
    """A custom tool's call has its text as it is; else it is called as a function, whose one argument is the text."""

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer) -> None:
        super().__init__(template, tokenizer)
        take_control_tokens((*self.markers, *self.control), (), tokenizer)
        self.native = self.written_in(template.calls.written)
        """The model's template writes calls in this form."""
        if self.speller is None and not self.takes_tools:
            raise SettingsError(
                f"The chat format `{self.name}` does not fit this model: its template takes no tools, or writes no "
                "calls in that form.",
                hint="Leave the setting `chat_format` at `auto`.",
            )
        between = template.calls.between
        opening = self.opening(PROBE)
        self._writer = TurnWriter(
            style=template.calls,
            spell=self.speller,
            native=self.native,
            separator=between.removesuffix(opening) if between.endswith(opening) else "",
            alternates=template.alternates,
            takes_results=self.takes_results,
            spells_words=self.spells_words,
        )
        if not self.reads_reasoning:
            self._writer = replace(self._writer, dress=self.reasoning.turn)

    @property
    def remarks(self) -> tuple[str, ...]:
        """As all formats; also where tools are told of in words, though the template has a form for them."""
        if self.native or not self.template.calls.written:
            return super().remarks
        unknown = (
            "The chat template calls tools in a form that is not known here: the model is told of tools in words, and "
            f"to call them in the form `{self.name}`."
        )
        return (*super().remarks, unknown)

    @classmethod
    def suits(cls, template: ChatTemplate) -> bool:
        """Whether the template writes calls in this form."""
        return cls.written_in(template.calls.written)

    @classmethod
    @abstractmethod
    def written_in(cls, written: str) -> bool:
        """Whether the probe of `call_style.py` is called in this form there."""

    @classmethod
    @abstractmethod
    def opening(cls, name: str) -> str:
        """What the first call of an answer begins with, up to the tool's name."""

    @property
    def speller(self) -> Callable[[Sequence[Call]], Written] | None:
        """What writes calls that follow on each other, as the model does; None: only the template can."""
        return None

    @abstractmethod
    def call_grammar(self, rules: Rules, tool_set: ToolSet, text: Grammar | None) -> None:
        """Adds what an answer must match; there are tools that may be called, not `text`'s alone."""

    @property
    def takes_tools(self) -> bool:
        """The template is told of tools."""
        return self.native and "tools" in self.template.tool_source

    @property
    def takes_results(self) -> bool:
        """The template writes what a call returned."""
        return self.template.calls.results

    @property
    def parallel(self) -> bool:
        """An answer may have several calls: the model's template can write them."""
        return self.template.calls.several or not self.native

    def offered(self, tool_set: ToolSet) -> ToolSet:
        """The tools as they can be called here."""
        if tool_set.parallel and not self.parallel:
            return ToolSet(tool_set.tools, tool_set.mode, tool_set.only, parallel=False)
        return tool_set

    def render(
        self, messages: Sequence[Message], tools: ToolSet, options: Mapping[str, Any] | None = None
    ) -> list[int]:
        """Token ids of the conversation, up to where the assistant's answer begins.

        All tools are told of, whatever the choice is, so that the prompt stays the same.

        Raises InvalidRequestError: the model's template refuses these messages.
        """
        return self.template.encode(*self.conversation(messages, tools), options)

    def render_continued(
        self, messages: Sequence[Message], tools: ToolSet, options: Mapping[str, Any] | None = None
    ) -> list[int] | None:
        """Token ids up to the end of what the assistant says in the last message, which the answer goes on from.

        None where the model's template does not write it as it is. Raises as `render`.
        """
        return self.template.encode_continued(*self.conversation(messages, tools), options)

    def conversation(self, messages: Sequence[Message], tools: ToolSet) -> tuple[Turns, list[dict[str, Any]] | None]:
        """The turns, and the tools that the template is told of."""
        turns = self._writer.turns(messages if self.custom_as_text else [_with_functions(one) for one in messages])
        return turns, [self.described(tool) for tool in tools.tools] if tools.tools else None

    def grammar(self, tools: ToolSet, text: Grammar | None) -> Grammar | None:
        """What an answer must match, so that every call is well formed.

        Raises InvalidGrammarError: what a tool takes cannot be followed.
        """
        if not tools.callable:
            return without_calls(tools, text, *self.markers)
        rules = Rules(self.tokenizer)
        self.call_grammar(rules, self.offered(tools), text)
        return rules.compose()

    def described(self, tool: Tool) -> dict[str, Any]:
        """What the model is told of a tool, as OpenAI's chat tools are."""
        if tool.kind == "function":
            return as_function(tool.qualified_name, tool.description, tool.parameters)
        return as_function(tool.qualified_name, custom_description(tool), CUSTOM_PARAMETERS)


def _with_functions(message: Message) -> Message:
    """The message with calls of custom tools as calls of functions."""
    if not any(isinstance(part, Call) and part.kind == "custom" for part in message.parts):
        return message
    return replace(message, content=tuple(_as_function_call(part) for part in message.parts))


def _as_function_call(part: Part) -> Part:
    if isinstance(part, Call) and part.kind == "custom":
        return Call("function", part.name, wrapped(part.body), part.call_id)
    return part


def custom_as_function(tool: Tool) -> Tool:
    """A custom tool as the function that it is called as."""
    parameters = CUSTOM_PARAMETERS
    if tool.grammar is not None and tool.grammar.kind == "regex":
        pattern = f"^(?:{tool.grammar.definition})$"
        parameters = {**parameters, "properties": {WRAPPED: {"type": "string", "pattern": pattern}}}
    return Tool("function", tool.name, tool.namespace, custom_description(tool), parameters)


def as_function(name: str, description: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """A tool as OpenAI's chat completions have it."""
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def custom_description(tool: Tool, form: str = "") -> str:
    """What is said of a custom tool, whose call is written in a `form` of its own."""
    parts = [tool.description] if tool.description else []
    parts += [f"This tool takes plain text, not JSON. Call it as:\n{form}"] if form else []
    if tool.grammar is not None:
        parts.append(f"The text must match this {tool.grammar.kind} grammar:\n{tool.grammar.definition}")
    return "\n\n".join(parts)
