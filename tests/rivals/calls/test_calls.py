"""The default model, in every form of calls that can be told of in words, calls fifty tools: each call is one that the
tool takes, whatever the model thinks of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from codex_windows_ai.chat.formats import FORMATS, chat_format
from codex_windows_ai.chat.spelling_format import SpellingFormat
from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.models.folder import read_model_folder
from codex_windows_ai.protocol.answer import AnswerPart, CallEnded
from codex_windows_ai.protocol.message import Message
from codex_windows_ai.protocol.request import GenerationRequest, SamplingParameters
from codex_windows_ai.protocol.tools import Tool, ToolSet
from tests.rivals.calls.mcp_tools import TOOLS

pytestmark = pytest.mark.slow

IN_WORDS = [kind.name for kind in FORMATS if issubclass(kind, SpellingFormat)]
MOST_TOKENS = 300
SEEDS = 5


@pytest.fixture(scope="module")
def engine(default_model: Path) -> Any:
    with Engine(read_model_folder(default_model), EngineConfiguration()) as engine:
        yield engine


def calls_of(
    engine: Engine, folder: Path, form: str, tool: Tool, question: str, seed: int
) -> tuple[list[CallEnded], str]:
    """The calls in an answer that must have one, and how it ended."""
    tools = ToolSet((tool,), "required", parallel=False)
    spoken = chat_format(folder, engine.tokenizer, form)
    prompt = spoken.prepare(GenerationRequest((Message("user", question),), tools=tools))
    sampling = SamplingParameters(temperature=0.7, seed=seed)
    request = EngineRequest(
        prompt.tokens,
        sampling=sampling,
        grammar=prompt.grammar,
        max_output_tokens=MOST_TOKENS,
        preamble=prompt.preamble,
    )
    parts, reason = list[AnswerPart](), None
    for delta in engine.submit(request):
        read = prompt.read(delta)
        parts += read.pieces
        reason = read.finish_reason or reason
    return [part for part in parts if isinstance(part, CallEnded)], str(reason)


def test_there_are_fifty_tools_and_several_forms() -> None:
    assert len(TOOLS) == 50
    assert {"hermes", "qwen-xml", "llama", "mistral", "phi4"} <= set(IN_WORDS)


@pytest.mark.parametrize("number", range(50), ids=list(TOOLS))
def test_a_call_is_one_that_the_tool_takes(engine: Engine, default_model: Path, number: int) -> None:
    name, (question, schema) = list(TOOLS.items())[number]
    form = IN_WORDS[number % len(IN_WORDS)]
    tool = Tool("function", name, parameters=schema)
    # In a text without an end, such as an address, so small a model may lose itself.
    answers = (calls_of(engine, default_model, form, tool, question, seed) for seed in range(SEEDS))
    (call,), reason = next((answer for answer in answers if answer[1] == "stop"), ((None,), "length"))

    assert reason == "stop", form
    assert call is not None
    assert (call.tool.name, call.complete) == (name, True)
    jsonschema.validate(json.loads(call.body), schema)
