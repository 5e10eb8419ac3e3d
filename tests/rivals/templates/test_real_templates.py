"""Real chat templates: which format is chosen for each, and the same text as transformers writes with it.

They are those of llama.cpp's collection, in its pinned source; nothing of them is in this repository.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from codex_windows_ai.chat.formats import chat_format
from codex_windows_ai.chat.tool_format import ToolFormat
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.protocol.message import Call, Message, Part, Result, Text
from codex_windows_ai.protocol.tools import Tool, ToolSet

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
TEMPLATES = ROOT / "build" / "rivals" / "llama.cpp" / "source" / "models" / "templates"
PYTHON = ROOT / ".venv-reference" / "bin" / "python"
TOKENS = {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>"}

NATIVE = {
    "Bielik-11B-v3.0-Instruct": "hermes",
    "GLM-4.6": "glm",
    "GLM-4.7-Flash": "glm",
    "MiMo-VL": "hermes",
    "Mistral-Small-3.2-24B-Instruct-2506": "mistral",
    "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": "qwen-xml",
    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use": "hermes",
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use": "hermes",
    "Qwen-QwQ-32B": "hermes",
    "Qwen-Qwen2.5-7B-Instruct": "hermes",
    "Qwen-Qwen3-0.6B": "hermes",
    "Qwen3-Coder": "qwen-xml",
    "Qwen3.5-4B": "qwen-xml",
    "Reka-Edge": "hermes",
    "Spark2.5": "glm",
    "StepFun3.5-Flash": "qwen-xml",
    "google-gemma-4-31B-it": "gemma4",
    "google-gemma-4-31B-it-interleaved": "gemma4",
    "ibm-granite-granite-4.0": "hermes",
    "ibm-granite-granite-4.1": "hermes",
    "inclusionai-ling-3.0-flash": "glm",
    "meta-llama-Llama-3.1-8B-Instruct": "llama",
    "meta-llama-Llama-3.2-3B-Instruct": "llama",
    "meta-llama-Llama-3.3-70B-Instruct": "llama",
    "mistralai-Ministral-3-14B-Reasoning-2512": "mistral",
    "mistralai-Mistral-Nemo-Instruct-2407": "mistral",
    "openai-gpt-oss-120b": "harmony",
    "poolside-Laguna-S-2.1": "glm",
    "poolside-Laguna-XS-2.1": "glm",
    "poolside-Laguna-XS.2": "glm",
    "unsloth-mistral-Devstral-Small-2507": "mistral",
}
"""Templates that write calls in a form that is known here. The others are told of tools in words."""
IN_WORDS = {"google-gemma-2-2b-it": "gemma3"}

SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string", "description": "Where."}, "lines": {"type": "integer"}},
    "required": ["path"],
}
TOOLS = ToolSet((Tool("function", "read", description="Reads a file.", parameters=SCHEMA),))
SYSTEM, USER, THEN = Message("system", "Be brief."), Message("user", "What is in a.txt?"), Message("user", "And b?")
ONE = (Call("function", "read", '{"path": "a.txt"}', "abcdefgh1"),)
TWO = (*ONE, Call("function", "read", '{"path": "b \\"é\\".txt", "lines": 3}', "abcdefgh2"))
DONE, ALSO = Result("A text.\nOf <two> lines.", "abcdefgh1"), Result('{"b": [1, null]}', "abcdefgh2")
ANSWER = Message("assistant", "It is a text.")


def calling(*parts: Part) -> Message:
    return Message("assistant", parts)


def returned(*found: Result) -> list[Message]:
    return [Message("tool", (one,)) for one in found]


CONVERSATIONS: dict[str, list[Message]] = {
    "a question": [USER],
    "a system message": [SYSTEM, USER],
    "a call": [SYSTEM, USER, calling(*ONE), *returned(DONE)],
    "a call with words": [USER, calling(Text("I look."), *ONE), *returned(DONE)],
    "two calls": [USER, calling(*TWO), *returned(DONE, ALSO)],
    "a turn behind a call": [SYSTEM, USER, calling(*ONE), *returned(DONE), ANSWER, THEN],
}


@pytest.fixture(scope="session", autouse=True)
def packages() -> None:
    """Both sides' packages, pinned by their hashes."""
    targets = ["build/rivals/llama.cpp/.ready", ".venv-reference/.ready"]
    subprocess.run(["make", "--silent", *targets], cwd=ROOT, check=True)


Load = Callable[[str], ToolFormat]


@pytest.fixture(scope="module")
def load(default_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Load:
    loaded: dict[str, ToolFormat] = {}

    def load_once(name: str) -> ToolFormat:
        if name not in loaded:
            folder = tmp_path_factory.mktemp("template")
            source = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")
            (folder / "chat_template.jinja").write_text(source, encoding="utf-8")
            (folder / "tokenizer_config.json").write_text(json.dumps(TOKENS), encoding="utf-8")
            form = chat_format(folder, Tokenizer(default_model / "tokenizer.json"))
            assert isinstance(form, ToolFormat)
            loaded[name] = form
        return loaded[name]

    return load_once


def test_each_template_has_the_format_that_it_writes(load: Load) -> None:
    names = sorted(file.stem for file in TEMPLATES.glob("*.jinja"))
    chosen = {name: (load(name).name, load(name).native) for name in names}

    assert len(names) >= len(NATIVE)
    assert chosen == {name: (NATIVE.get(name) or IN_WORDS.get(name, "hermes"), name in NATIVE) for name in names}


@pytest.fixture(scope="module")
def theirs(load: Load) -> dict[tuple[str, str], str | None]:
    """What transformers writes, by template and conversation; all in one process, as it takes long to load."""
    asked: list[tuple[str, list[dict[str, Any]], Any, dict[str, str]]] = []
    for name in NATIVE:
        form = load(name)
        as_object = form.template.calls.arguments == "object"
        tools = [form.described(tool) for tool in TOOLS.tools]
        asked += [
            (form.template.tool_source, as_openai(each, as_object=as_object), tools, TOKENS)
            for each in CONVERSATIONS.values()
        ]
    program = [PYTHON, Path(__file__).with_name("render.py")]
    done = subprocess.run(program, input=json.dumps(asked), capture_output=True, text=True, check=True)
    keys = [(name, title) for name in NATIVE for title in CONVERSATIONS]
    return dict(zip(keys, json.loads(done.stdout), strict=True))


def as_openai(messages: Sequence[Message], *, as_object: bool) -> list[dict[str, Any]]:
    """The conversation as users of transformers give it to a template."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        calls = [part for part in message.parts if isinstance(part, Call)]
        turn: dict[str, Any] = {"role": message.role, "content": message.text}
        if calls:
            turn["tool_calls"] = [
                {
                    "type": "function",
                    "id": call.call_id,
                    "function": {"name": call.name, "arguments": json.loads(call.body) if as_object else call.body},
                }
                for call in calls
            ]
        for part in message.parts:
            if isinstance(part, Result):
                turn |= {"tool_call_id": part.call_id, "name": "read"}
        turns.append(turn)
    return turns


_WITHOUT_WORDS = ("llama", "Mistral-Small-3.2", "Mistral-Nemo", "NousResearch")
DIFFERENT = {
    # Words beside calls are left out by these templates; ours keeps them.
    *((name, "a call with words") for name in NATIVE if any(one in f"{NATIVE[name]} {name}" for one in _WITHOUT_WORDS)),
    # Forgets all calls but the first; ours gives it each in a turn of its own.
    ("openai-gpt-oss-120b", "two calls"),
    # Writes the system message with the last turn, if that is the user's; ours has it where it came.
    ("mistralai-Mistral-Nemo-Instruct-2407", "a call"),
    ("mistralai-Mistral-Nemo-Instruct-2407", "a turn behind a call"),
}


@pytest.mark.parametrize("name", NATIVE)
def test_conversations_are_written_as_transformers_writes_them(
    load: Load, theirs: dict[tuple[str, str], str | None], name: str
) -> None:
    form = load(name)
    for title, messages in CONVERSATIONS.items():
        tokens = form.render(messages, TOOLS)
        ours = b"".join(form.tokenizer.bytes_of(token) for token in tokens).decode()
        words = [part.text for each in messages for part in each.parts if isinstance(part, Text)]
        paths = [json.loads(part.body)["path"] for each in messages for part in each.parts if isinstance(part, Call)]
        assert all(one in ours for one in words), title
        assert all(one.split('"')[0] in ours for one in paths), title
        expected = theirs[name, title]
        if (name, title) in DIFFERENT:
            assert ours != expected, title
        elif expected is not None:
            assert ours == expected, title
