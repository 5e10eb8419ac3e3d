"""Runs the engine on WebGPU, with SwiftShader in a GPU's place; prints what came of it as JSON.

A process of its own, as the software GPU would be there for every other test as well.

    python -m tests.devices.webgpu_worker MODEL_FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from codex_windows_ai.chat.formats import chat_format
from codex_windows_ai.devices import proof as device_proof
from codex_windows_ai.devices.devices import Device, list_devices
from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.model import Model
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.models.folder import ModelFolder, read_model_folder
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import GenerationRequest, Message, ToolSet
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.engine_provider import EngineProvider
from tests.devices.software_gpu import RIGHT


def kernels(folder: ModelFolder, device: Device) -> dict[str, Any]:
    """Keys and values of prompts of different lengths and of a pass over all of them, on both."""

    def contents(model: Model) -> list[np.ndarray]:
        pool, lengths = HostPool(model.spec, 1 << 30), [5, 17, RIGHT]
        pool.reserve(len(lengths), 64, kept=())
        for slot, length in enumerate(lengths):
            model.forward(pool, slot, np.arange(length)[None] + 3, [0])
        for step in range(3):
            model.forward(pool, 0, np.full((3, 1), 40 + step), [length + step for length in lengths])
        model.forward(pool, 1, np.arange(8)[None] + 60, [20])
        return [layer.copy() for layer in pool.layers]

    expected = contents(Model(folder, file=folder.model_file))
    found = contents(Model(folder, configure_session=device.configure))
    errors = [float(np.abs(a - b).max() / np.abs(a).max()) for a, b in zip(expected, found, strict=True)]
    unwritten = [bool((a[:, row, :, end:] == 0).all()) for a in found for row, end in ((0, 8), (1, 28), (2, 27))]
    return {"errors": errors, "unwritten": all(unwritten)}


def provider(folder: ModelFolder, device: Device) -> dict[str, Any]:
    """What the provider says of itself, and its answer."""
    opened = EngineProvider(Settings(model=str(folder.path)), device=device)
    try:
        deltas = list(opened.stream(GenerationRequest(messages=(Message("user", "hello"),), max_output_tokens=5)))
    finally:
        opened.close()
    usage = deltas[-1].usage
    assert usage is not None
    return {
        "execution_provider": opened.source.execution_provider,
        "device": opened.source.device,
        "output_tokens": usage.output_tokens,
    }


def requests(folder: ModelFolder, device: Device) -> dict[str, Any]:
    """Requests of several lengths at once, each asked again afterwards."""
    configuration = EngineConfiguration(prefill_chunk=RIGHT)

    def request(engine: Engine, number: int) -> EngineRequest:
        message = Message("user", "hello world " * (3 + 2 * number))
        prompt = chat_format(folder.path, engine.tokenizer).render([message], ToolSet())
        return EngineRequest(tuple(prompt), max_output_tokens=6 + number)

    def ends(engine: Engine) -> list[Delta]:
        return [list(generation)[-1] for generation in [engine.submit(request(engine, n)) for n in range(4)]]

    with Engine(folder, configuration, configure_session=device.configure) as engine:
        first, second = ends(engine), ends(engine)
        statistics = engine.statistics()
    usages = [(end.usage.output_tokens, end.usage.cached_tokens) for end in second if end.usage]
    return {
        "reasons": [end.finish_reason for end in (*first, *second)],
        "output_tokens": [tokens for tokens, _ in usages],
        "cached_tokens": [cached for _, cached in usages],
        "failed": statistics.failed,
        "occupancy": statistics.batch_occupancy,
    }


def main() -> None:
    """Proves the device with as few tokens as SwiftShader computes rightly, and uses it."""
    folder = read_model_folder(Path(sys.argv[1]))
    device = next(device for device in list_devices() if device.execution_provider == "WebGpuExecutionProvider")
    device_proof.WHOLE_TOKENS = RIGHT
    print(json.dumps({does.__name__: does(folder, device) for does in (kernels, provider, requests)}))


if __name__ == "__main__":
    main()
