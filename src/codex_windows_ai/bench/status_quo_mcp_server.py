"""The status quo of `plan`: an MCP server with a model of its own and one tool, as one would be written today.

Run as `python -m codex_windows_ai.bench.status_quo_mcp_server FOLDER OVERLAY`; an agent starts it and
talks to it over standard input and output. `OVERLAY` is JSON laid over the folder's `genai_config.json`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import onnxruntime_genai as genai
from mcp.server.mcpserver import MCPServer

# ONNX Runtime GenAI ships no type information.
_genai: Any = genai


def main() -> None:
    """Serve until standard input ends."""
    folder, overlay = sys.argv[1:3]
    config = _genai.Config(folder)
    config.overlay(overlay)
    model = _genai.Model(config)
    tokenizer = _genai.Tokenizer(model)
    server: MCPServer[Any] = MCPServer("status quo")

    @server.tool(structured_output=False)
    def classify(instruction: str, item: str, choices: list[str]) -> str:  # pyright: ignore[reportUnusedFunction]  # registered
        """One of the choices."""
        messages = [{"role": "system", "content": instruction}, {"role": "user", "content": item}]
        prompt = tokenizer.encode(tokenizer.apply_chat_template(json.dumps(messages), add_generation_prompt=True))
        parameters = _genai.GeneratorParams(model)
        parameters.set_search_options(do_sample=False, max_length=len(prompt) + 32)
        parameters.set_guidance("json_schema", json.dumps({"enum": choices}))
        generator = _genai.Generator(model, parameters)
        generator.append_tokens(prompt)
        tokens: list[int] = []
        while not generator.is_done():
            generator.generate_next_token()
            tokens.append(int(generator.get_next_tokens()[0]))
        return json.loads(tokenizer.decode(tokens))

    server.run("stdio")


if __name__ == "__main__":
    main()
