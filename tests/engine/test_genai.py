"""The engine against ONNX Runtime GenAI, which nobody here wrote, on the default model's portable graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime_genai
import pytest

from codex_windows_ai.chat.formats import chat_format
from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.models.folder import read_model_folder
from codex_windows_ai.protocol.request import Message, SamplingParameters, ToolSet

PROMPTS = (
    "What is the capital of France? Answer in one sentence.",
    "Write a Python function that adds two numbers.",
    "Name three colours.",
    "Translate to German: good morning.",
    "What is two plus two?",
    "Why is the sky blue? One sentence.",
)
OUTPUT_TOKENS = 24


@pytest.fixture(scope="module")
def engine(default_model: Path) -> Iterator[Engine]:
    folder = read_model_folder(default_model)
    with Engine(replace(folder, cpu_model_file=folder.model_file)) as engine:
        yield engine


@pytest.fixture(scope="module")
def genai(default_model: Path) -> Any:
    return onnxruntime_genai.Model(str(default_model))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_greedy_text_is_the_same(engine: Engine, genai: Any, prompt: str) -> None:
    tokenizer = onnxruntime_genai.Tokenizer(genai)
    rendered = tokenizer.apply_chat_template(f'[{{"role": "user", "content": "{prompt}"}}]', add_generation_prompt=True)
    parameters = onnxruntime_genai.GeneratorParams(genai)
    ids = tokenizer.encode(rendered)
    parameters.set_search_options(do_sample=False, max_length=len(ids) + OUTPUT_TOKENS)
    generator = onnxruntime_genai.Generator(genai, parameters)
    generator.append_tokens(ids)
    while not generator.is_done():
        generator.generate_next_token()
    theirs = tokenizer.decode(generator.get_sequence(0)[len(ids) :])

    ours_encoded = chat_format(engine.core.folder.path, engine.tokenizer).render([Message("user", prompt)], ToolSet())
    request = EngineRequest(tuple(ours_encoded), sampling=SamplingParameters(seed=0), max_output_tokens=OUTPUT_TOKENS)
    ours = "".join(delta.text for delta in engine.submit(request))

    assert ours == theirs
