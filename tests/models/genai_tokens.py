"""Greedy tokens of a model folder: by ONNX Runtime GenAI, which nobody here wrote, and by our engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime_genai

from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.engine.first_passes import rows_alike
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.model import Model
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.protocol.request import SamplingParameters


def prompts(*lengths: int) -> list[list[int]]:
    random = np.random.default_rng(3)
    return [[int(token) for token in random.integers(3, 250, length)] for length in lengths]


def by_genai(folder: Path, prompt: Sequence[int], count: int, max_length: int = 1024) -> list[int]:
    """The tokens up to the one that ends the answer, without it."""
    model = onnxruntime_genai.Model(str(folder))
    parameters = onnxruntime_genai.GeneratorParams(model)
    parameters.set_search_options(do_sample=False, max_length=max_length)
    generator = onnxruntime_genai.Generator(model, parameters)
    generator.append_tokens(np.array(prompt, dtype=np.int32))
    while not generator.is_done() and generator.token_count() < len(prompt) + count:
        generator.generate_next_token()
    return [int(token) for token in generator.get_sequence(0)[len(prompt) :]]


def by_engine(folder: ModelFolder, asked: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """Of all prompts at once; without the tokens that end answers."""
    ends, greedy = folder.eos_token_ids, SamplingParameters(seed=0)
    with Engine(folder) as engine:
        requests = [EngineRequest(tuple(prompt), sampling=greedy, max_output_tokens=count) for prompt in asked]
        answers = [engine.submit(request) for request in requests]
        return [
            [token.token_id for delta in answer for token in delta.tokens if token.token_id not in ends]
            for answer in answers
        ]


def by_passes(folder: ModelFolder, asked: Sequence[Sequence[int]], count: int, cut: int) -> list[list[int]]:
    """Prompts read in pieces of `cut` tokens, then all decoded together, or alone where a batch has other bits."""
    model = Model(folder)
    pool = HostPool(model.spec, 1 << 28)
    rows = [list(prompt) for prompt in asked]

    def reserve(lengths: Sequence[int], new: int) -> None:
        pool.reserve(len(rows), max(lengths) + new, kept=[range(length) for length in lengths])

    def choose(logits: np.ndarray, row: list[int]) -> None:
        row.append(int(logits.argmax()))

    for slot, prompt in enumerate(asked):
        for start in range(0, len(prompt), cut):
            piece = np.array([prompt[start : start + cut]], dtype=np.int64)
            reserve([*(len(other) for other in asked[:slot]), start, *([0] * (len(rows) - slot - 1))], piece.shape[1])
            logits = model.forward(pool, slot, piece, [start])
        choose(logits[0, -1], rows[slot])
    batch = len(rows) if rows_alike(model) else 1
    for _ in range(count - 1):
        past = [len(row) - 1 for row in rows]
        reserve(past, 1)
        for first in range(0, len(rows), batch):
            those = rows[first : first + batch]
            tokens = np.array([[row[-1]] for row in those])
            logits = model.forward(pool, first, tokens, past[first : first + batch])
            for row, answer in zip(those, logits[:, -1], strict=True):
                choose(answer, row)
    return [row[len(prompt) :] for row, prompt in zip(rows, asked, strict=True)]
