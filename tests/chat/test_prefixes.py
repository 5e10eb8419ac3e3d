"""What was answered, sent back in, stands in the next prompt as the same tokens, so that the prefix cache holds it.

Where a template writes it otherwise, it is said here how many tokens are read again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from codex_windows_ai.protocol.answer import CallEnded, ReasoningPiece, TextPiece
from codex_windows_ai.protocol.message import Call, Message, Part, Reasoning, Result, Text
from codex_windows_ai.protocol.tools import Tool, ToolSet
from tests.chat.families import FAMILIES, Spoken, speak

Load = Callable[[str], Spoken]
STRING = {"type": "string"}
READ = Tool("function", "read", parameters={"type": "object", "properties": {"path": STRING}, "required": ["path"]})
OFFERED = ToolSet((READ,))
HELLO = Message("user", "Hello")
HERMES_CALL = '<tool_call>\n{"name": "read", "arguments": {"path": "é \\"b\\""}}\n</tool_call>'
XML_CALL = "<tool_call>\n<function=read>\n<parameter=path>\na\nb\n</parameter>\n</function>\n</tool_call>"
LLAMA_CALL = '{"name": "read", "parameters": {"path": "a"}}'
LIST = '{"name": "read", "arguments": {"path": "a"}'
PHI = '{"name": "read", "arguments": {"path": "a"}}'
GEMMA_CALL = '<|tool_call>call:read{path:<|"|>a\nb<|"|>}<tool_call|>'
GLM_CALL = "<tool_call>read<arg_key>path</arg_key><arg_value>a\nb</arg_value></tool_call>"
CALL_BEHIND = '<|channel|>commentary to=functions.read <|constrain|>json<|message|>{"path": "a"}'
CALL_BEFORE = ' to=functions.read<|channel|>commentary json<|message|>{"path": "a"}'
THOUGHT = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"
CASES = [
    *((name, "Hello there.\nA second line.", 0) for name in FAMILIES if name != "harmony"),
    ("hermes", f"I look.\n{HERMES_CALL}\n{HERMES_CALL}", 0),
    ("qwen-xml", f"I look.\n\n{XML_CALL}\n{XML_CALL}", 0),
    ("llama", LLAMA_CALL, 0),
    ("llama", f"<|python_tag|>{LLAMA_CALL}", 46),  # all of it: the template writes no tag
    ("mistral", 'I look.[TOOL_CALLS]read[ARGS]{"path": "a"}[TOOL_CALLS]read[ARGS]{"path": "b"}', 0),
    ("mistral, ids", '[TOOL_CALLS]read[CALL_ID]abcdefghi[ARGS]{"path": "a"}', 0),
    ("mistral, list", f'[TOOL_CALLS][{LIST}, "id": "abcdefghi"}}]', 0),
    ("gemma3", LLAMA_CALL, 0),
    ("phi4", f"I look.<|tool_call|>[{PHI}, {PHI}]<|/tool_call|>", 0),
    ("phi4, each", f"I look.<|tool_call|>{PHI}<|/tool_call|><|tool_call|>{PHI}<|/tool_call|>", 0),
    ("glm", f"I look.{GLM_CALL}{GLM_CALL}", 0),
    ("gemma4", f"I look.{GEMMA_CALL}{GEMMA_CALL}", 0),
    ("harmony", "<|channel|>final<|message|>Hello there.", 0),
    ("harmony", f"{THOUGHT}<|channel|>final<|message|>Hello there.", 42),  # what was thought goes behind an answer
    ("harmony", CALL_BEFORE, 0),
    ("harmony", f"{THOUGHT}{CALL_BEFORE}", 0),
    ("harmony", CALL_BEHIND, 49),  # all of it: the template puts the recipient before the channel
]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    @cache
    def load_once(name: str) -> Spoken:
        return speak(FAMILIES[name], tmp_path_factory.mktemp("family"))

    return load_once


def sent_back(spoken: Spoken, answer: str) -> list[Message]:
    """The answer as a client keeps it, and what its calls returned."""
    parser = spoken.form.parser(OFFERED, text_is_constrained=False)
    assert parser is not None
    parts: list[Part] = []
    for part in [*parser.push(answer), *parser.finish()]:
        match part:
            case TextPiece(text):
                parts.append(Text(text))
            case ReasoningPiece(text):
                parts.append(Reasoning(text))
            case CallEnded(tool, body, complete):
                assert complete
                parts.append(Call(tool.kind, tool.qualified, body, part.call_id or f"call_{len(parts)}"))
            case _:
                continue
    results = [Message("tool", (Result("done", part.call_id),)) for part in parts if isinstance(part, Call)]
    return [Message("assistant", tuple(parts)), *results]


@pytest.mark.parametrize(("name", "answer", "lost"), CASES)
def test_what_was_answered_stands_so_in_the_next_prompt(load: Load, name: str, answer: str, lost: int) -> None:
    spoken = load(name)
    form = spoken.form
    asked = [*form.render([HELLO], OFFERED), *form.tokenizer.encode_prompt(answer)]

    prompt = form.render([HELLO, *sent_back(spoken, answer), HELLO], OFFERED)

    common = next((n for n, (one, other) in enumerate(zip(asked, prompt, strict=False)) if one != other), len(asked))
    assert len(asked) - common == lost, spoken.text(prompt)
