"""The status quo, as a process: an MCP tool with a model of its own, as one would be written today.

Each call makes a fresh `onnxruntime_genai.Generator`, gives it the whole conversation and decodes greedily. Run as
`python -m codex_windows_ai.bench.workers.status_quo WAY FOLDER OVERLAY`. `WAY` is `pipe`, where token ids come and go
as `workers/__init__.py` says, or `mcp`, an MCP server with one tool on standard input and output. `OVERLAY` is JSON
laid over the folder's `genai_config.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import onnxruntime_genai as genai

# ONNX Runtime GenAI ships no type information.
_genai: Any = genai


def main() -> None:
    """Serve until standard input ends."""
    way, folder, overlay = sys.argv[1:4]
    {"pipe": serve_pipe, "mcp": serve_mcp}[way](folder, overlay)


def serve_pipe(folder: str, overlay: str) -> None:
    """Answers one request after another; each answer has exactly `max_output_tokens`."""
    from codex_windows_ai.bench.workers import Lines

    lines = Lines()
    model = _load(folder, overlay)

    def answer(number: int, prompt: list[int], max_output_tokens: int) -> None:
        length = len(prompt) + max_output_tokens
        parameters = _parameters(model, max_length=length, min_length=length)  # no end token before that
        tokens: list[int] = []
        for token in _tokens(model, parameters, prompt):
            tokens.append(token)
            if len(tokens) == 1:
                lines.write({"id": number, "first": True})
        lines.write({"id": number, "done": {"tokens": tokens, "cached_tokens": 0, "finish_reason": "length"}})

    lines.write({"ready": True})
    for message in lines.read():
        try:
            answer(message["id"], message["prompt"], message["max_output_tokens"])
        except Exception as error:  # the bench wants the reason, whatever it is
            lines.write({"id": message["id"], "error": f"{type(error).__name__}: {error}"})


def serve_mcp(folder: str, overlay: str) -> None:
    """Has the tool `classify`, whose answer a grammar keeps to the choices."""
    from mcp.server.mcpserver import MCPServer

    model = _load(folder, overlay)
    tokenizer = _genai.Tokenizer(model)
    server: MCPServer[Any] = MCPServer("status quo")

    @server.tool(structured_output=False)
    def classify(instruction: str, item: str, choices: list[str]) -> str:  # pyright: ignore[reportUnusedFunction]  # registered
        """One of the choices."""
        messages = [{"role": "system", "content": instruction}, {"role": "user", "content": item}]
        prompt = tokenizer.encode(tokenizer.apply_chat_template(json.dumps(messages), add_generation_prompt=True))
        parameters = _parameters(model, max_length=len(prompt) + 32)
        parameters.set_guidance("json_schema", json.dumps({"enum": choices}))
        return json.loads(tokenizer.decode(list(_tokens(model, parameters, prompt))))

    server.run("stdio")


def _load(folder: str, overlay: str) -> Any:
    config = _genai.Config(folder)
    config.overlay(overlay)
    return _genai.Model(config)


def _parameters(model: Any, **options: int) -> Any:
    parameters = _genai.GeneratorParams(model)
    parameters.set_search_options(do_sample=False, **options)
    return parameters


def _tokens(model: Any, parameters: Any, prompt: Sequence[int]) -> Iterator[int]:
    generator = _genai.Generator(model, parameters)
    generator.append_tokens(prompt)
    while not generator.is_done():
        generator.generate_next_token()
        yield int(generator.get_next_tokens()[0])


if __name__ == "__main__":
    main()
