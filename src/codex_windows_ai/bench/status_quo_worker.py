"""The status quo, as a process: an MCP tool with a model of its own, as one would be written today.

Each call makes a fresh `onnxruntime_genai.Generator`, gives it the whole conversation and decodes
greedily. Run as `python -m codex_windows_ai.bench.status_quo_worker FOLDER OVERLAY`; `OVERLAY` is
JSON laid over the folder's `genai_config.json`.
"""

from __future__ import annotations

import sys
from typing import Any

import onnxruntime_genai as genai

from codex_windows_ai.bench.lines import Lines

# ONNX Runtime GenAI ships no type information.
_genai: Any = genai


def main() -> None:
    """Answer one request after another until standard input ends."""
    lines = Lines()
    folder, overlay = sys.argv[1:3]
    config = _genai.Config(folder)
    config.overlay(overlay)
    model = _genai.Model(config)
    lines.write({"ready": True})
    for message in lines.read():
        try:
            answer(model, message, lines)
        except Exception as error:  # the bench wants the reason, whatever it is
            lines.write({"id": message["id"], "error": f"{type(error).__name__}: {error}"})


def answer(model: Any, message: dict[str, Any], lines: Lines) -> None:
    """Generate exactly `max_output_tokens`: an end token before that is not allowed (`min_length`)."""
    prompt: list[int] = message["prompt"]
    length = len(prompt) + message["max_output_tokens"]
    parameters = _genai.GeneratorParams(model)
    parameters.set_search_options(do_sample=False, max_length=length, min_length=length)
    generator = _genai.Generator(model, parameters)
    generator.append_tokens(prompt)
    tokens: list[int] = []
    while not generator.is_done():
        generator.generate_next_token()
        tokens.append(int(generator.get_next_tokens()[0]))
        if len(tokens) == 1:
            lines.write({"id": message["id"], "first": True})
    done = {"tokens": tokens, "cached_tokens": 0, "finish_reason": "length"}
    lines.write({"id": message["id"], "done": done})


if __name__ == "__main__":
    main()
