"""How gpt-oss talks (OpenAI's Harmony, https://github.com/openai/harmony): messages with a channel and a recipient.

    <|channel|>analysis<|message|>I must look.<|end|>
    <|start|>assistant<|channel|>commentary to=functions.read_file <|constrain|>json<|message|>{"path": "a"}<|call|>

The recipient may also stand before the channel, which is how the model's template writes it. What is said in the
channel `final`, or in `commentary` to nobody, is for the user. `analysis` is what was thought: the engine tells it from
the answer where it comes first, and counts it; behind a message for the user the parser finds it (`reads_reasoning`).
An answer has one call at most.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from codex_windows_ai.chat.answer_reader import AnswerReader, Steps
from codex_windows_ai.chat.call_grammar import Rules, part, without
from codex_windows_ai.chat.call_style import PROBE, PROBE_ARGUMENTS
from codex_windows_ai.chat.format import AnswerParser
from codex_windows_ai.chat.template import ChatTemplate
from codex_windows_ai.chat.tool_format import ToolFormat, custom_as_function
from codex_windows_ai.engine.preamble import Preamble
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.protocol.answer import ReasoningPiece
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.tools import ToolName, ToolSet

START, CHANNEL, MESSAGE, CONSTRAIN = "<|start|>", "<|channel|>", "<|message|>", "<|constrain|>"
END, CALL, RETURN = "<|end|>", "<|call|>", "<|return|>"
_ENDS = (END, CALL, RETURN, START)
_ASSISTANT, _FUNCTIONS = "assistant", "functions."
_HEADERS = (CHANNEL, START, " to=", MESSAGE)
_MOST_MESSAGES = 64
_RECIPIENT = re.compile(r"(?:^|\s)to=(\S+)")
_CHANNEL_NAME = re.compile(r"<\|channel\|>\s*([a-z]+)")


class Harmony(ToolFormat):
    """The format."""

    name = "harmony"
    markers = (CHANNEL,)
    control = (START, MESSAGE, CONSTRAIN, *_ENDS)
    reads_reasoning = True

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer) -> None:
        super().__init__(template, tokenizer)
        self._writer = replace(self._writer, join=_thinking)

    @classmethod
    def written_in(cls, written: str) -> bool:
        """As all formats."""
        arguments = json.dumps(PROBE_ARGUMENTS)
        return f" to={_FUNCTIONS}{PROBE}{CHANNEL}commentary json{MESSAGE}{arguments}{CALL}" in written

    @classmethod
    def opening(cls, name: str) -> str:
        """As all formats."""
        return f" to={_FUNCTIONS}"

    def with_preamble(self, tokens: Sequence[int], most_tokens: int | None) -> tuple[list[int], Preamble | None]:
        """As all formats: messages in the channel `analysis`, up to where the next one begins."""
        begin, end = f"{CHANNEL}analysis{MESSAGE}", f"{END}{START}{_ASSISTANT}"
        begin_tokens, end_tokens = (tuple(self.tokenizer.encode_prompt(mark)) for mark in (begin, end))
        preamble = Preamble(begin, end, begin_tokens, end_tokens, most_tokens=most_tokens, in_grammar=True)
        return list(tokens), preamble

    def grammar(self, tools: ToolSet, text: Grammar | None) -> Grammar | None:
        """What an answer must match; None where nothing is asked of it, and no tool is told of."""
        if not tools.tools and text is None:
            return None
        rules = Rules(self.tokenizer)
        self.call_grammar(rules, tools, text)
        return rules.compose()

    def call_grammar(self, rules: Rules, tool_set: ToolSet, text: Grammar | None) -> None:
        """As all formats: what is thought, and preambles, then the answer or one call."""
        said = rules.refer(part(text)) if text is not None else rules.rule("ANY", without(*_ENDS))
        final = f"{rules.literal(f'{CHANNEL}final{MESSAGE}')} {said}"
        again = rules.literal(f"{START}{_ASSISTANT}")
        thought, preamble = (
            f"{rules.literal(f'{CHANNEL}{channel}{MESSAGE}')} {rules.text_until(None, END, f'{channel}_text')} {again}"
            for channel in ("analysis", "commentary")
        )
        tools = tool_set.callable
        endings = ["final"] if tool_set.mode != "required" or not tools else []
        endings += ["call"] if tools else []
        rules.lines.insert(0, f"start: (thought | preamble){{0,{_MOST_MESSAGES}}} ({' | '.join(endings)})")
        rules.rule("thought", thought)
        rules.rule("preamble", preamble)
        rules.rule("final", final)
        if not tools:
            return
        rules.rule("call", " | ".join(f"call_{n}" for n in range(len(tools))))
        for n, tool in enumerate(tools):
            to = f" to={_FUNCTIONS}{tool.qualified_name}"
            behind = f'{rules.literal(f"{CHANNEL}commentary{to}")} " " ({rules.literal(CONSTRAIN)})? "json"'
            before = f'{rules.literal(f"{to}{CHANNEL}commentary")} " " ({rules.literal(CONSTRAIN)})? "json"'
            body = rules.arguments(tool if tool.kind == "function" else custom_as_function(tool))
            rules.rule(f"call_{n}", f"({before} | {behind}) {rules.literal(MESSAGE)} {body}")

    def parser(self, tools: ToolSet, *, text_is_constrained: bool) -> AnswerParser | None:
        """What reads the messages of an answer; there are several in any."""
        return HarmonyReader(tools)


def _thinking(thought: str, words: str) -> tuple[str, dict[str, Any]]:
    """Beside a call the template takes either words, which it writes as analysis, or what was thought."""
    if not thought.strip():
        return words, {}
    return "", {"thinking": "\n".join(one for one in (thought, words) if one.strip())}


class HarmonyReader(AnswerReader):
    """Reads the messages of one answer, from behind `<|start|>assistant` on."""

    def __init__(self, tool_set: ToolSet) -> None:
        super().__init__()
        self._functions = {f"{_FUNCTIONS}{tool.qualified_name}": tool.named for tool in tool_set.callable}

    def _read(self) -> Steps[None]:
        while True:
            if (yield from self._starts(_HEADERS)) is None:
                # An answer that is gone on from begins within a message's words.
                found = yield from self._upto(_ENDS, self._say_all)
            else:
                found = yield from self._message()
            if found is None:
                return
            if found == START:
                self._held = START + self._held

    def _message(self) -> Steps[str | None]:
        """Reads a message from its header on; returns what ended it."""
        header: list[str] = []
        if (yield from self._upto((MESSAGE,), header.append)) is None:
            if not self._cut:
                self._say_all("".join(header))
            return None
        told = "".join(header)
        recipient = _RECIPIENT.search(told.replace(CHANNEL, f" {CHANNEL}").replace(CONSTRAIN, " "))
        channel = _CHANNEL_NAME.search(told)
        if recipient is None:
            say = self._think if channel is not None and channel[1] == "analysis" else self._say_all
            return (yield from self._upto(_ENDS, say))
        tool = self._functions.get(recipient[1])
        if tool is None:
            self._say_all(f"{told}{MESSAGE}")
            return (yield from self._upto(_ENDS, self._say_all))
        return (yield from self._call(tool))

    def _call(self, tool: ToolName) -> Steps[str | None]:
        self._begin_call(tool, wrapped=tool.kind == "custom")
        if not (yield from self._json_object()):
            found = yield from self._upto(_ENDS, self._pass)
            self._end_call(complete=False)
            return found
        self._end_call(complete=True)
        return (yield from self._upto(_ENDS, self._say))

    def _think(self, piece: str) -> None:
        self._parts.append(ReasoningPiece(piece))

    def _say_all(self, piece: str) -> None:
        self._spoken = True
        self._say(piece)
