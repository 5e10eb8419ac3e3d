"""Mixtures of experts in the engine: many at once get what each would get alone, to the last bit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.memory_plan import plan_memory
from codex_windows_ai.engine.model import Model
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.scheduler import PrefillChunk
from codex_windows_ai.models.folder import ModelFolder, read_model_folder
from codex_windows_ai.models.graph_check import check_graphs, read_sizes
from codex_windows_ai.protocol.request import SamplingParameters
from tests.engine.clients import Client, chosen_in, run
from tests.engine.oracle import Oracle
from tests.models.synthetic import CLAMPED_MIXTURE, MIXTURE, Tiny
from tests.models.test_convert import converted


@pytest.fixture(scope="module", params=[MIXTURE, CLAMPED_MIXTURE], ids=lambda tiny: tiny.architecture)
def mixture(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    tiny = replace(request.param, kind=Kind.Q8_0, context=512)
    return read_model_folder(converted(tiny, tmp_path_factory.mktemp("mixture")))


def asked(agent: int, length: int) -> EngineRequest:
    prompt = tuple((7 * n + agent * (n > 40)) % 250 for n in range(length))
    sampling = SamplingParameters(temperature=1.0, seed=agent)
    return EngineRequest(prompt, agent=str(agent), max_output_tokens=12, sampling=sampling, top_logprobs=0)


def core_of(folder: ModelFolder, **configuration: int) -> EngineCore:
    return EngineCore(folder, EngineConfiguration(threads=1, prefill_chunk=32, **configuration))


def test_seeded_answers_are_those_of_the_oracle_however_busy_the_engine_is(mixture: ModelFolder) -> None:
    require_exact(core_of(mixture))


def test_where_bits_depend_on_who_has_the_same_experts_seeded_prompts_are_read_on_one_grid(tmp_path: Path) -> None:
    """As they do with 4 bits on x86 processors without AVX-512."""
    require_exact(core_of(read_model_folder(converted(replace(MIXTURE, kind=Kind.Q4_0, context=512), tmp_path))))


def require_exact(core: EngineCore) -> None:
    requests = [asked(agent, 60 + 13 * agent) for agent in range(5)]
    expected = [chosen_in(Oracle(core).answer(request)) for request in requests]
    clients = [Client(core, request) for request in requests]
    run(core)
    assert [client.said for client in clients] == expected
    again = [Client(core, request) for request in reversed(requests)]  # behind cached prefixes
    run(core)
    assert [client.said for client in reversed(again)] == expected


def test_pieces_shrink_with_what_they_see(mixture: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores beside sinks lie in memory, each token's with all before it."""
    core = core_of(mixture, prefill_pairs=32 * 100)
    expected = chosen_in(Oracle(core).answer(asked(1, 300)))
    pieces: list[tuple[int, int]] = []
    execute = core.execute

    def noted(step: object) -> None:
        if isinstance(step, PrefillChunk):
            pieces.append((step.sequence.computed, step.tokens))
        execute(step)  # type: ignore[arg-type]

    monkeypatch.setattr(core, "execute", noted)
    client = Client(core, asked(1, 300))
    run(core)
    assert client.said == expected
    assert {tokens for behind, tokens in pieces if behind < 60} == {32}
    assert all(tokens <= 18 for behind, tokens in pieces if behind > 200)  # a step of 16, and two that stay together


def test_a_graph_with_sinks_says_how_many_pairs_fit(mixture: ModelFolder, tmp_path: Path) -> None:
    check_graphs(mixture)
    sizes = read_sizes(mixture)
    has_sinks = "gptoss" in (mixture.path / "genai_config.json").read_text(encoding="utf-8")
    assert (sizes.pairs > 0) == has_sinks
    if has_sinks:
        assert sizes.pairs * 4 * CLAMPED_MIXTURE.heads <= 1 << 29
    assert plan_memory(sizes, 512).configure(1, 0.1).prefill_pairs == sizes.pairs


@dataclass
class ManyExperts(Tiny):
    """Experts in MXFP4 that are nearly all of the model; their bytes are drawn, which is faster than to round them."""

    def _add(self, writer: gguf.GGUFWriter, name: str, values: np.ndarray) -> None:
        if not name.endswith("_exps.weight"):
            super()._add(writer, name, values)
            return
        raw = np.random.default_rng(1).integers(0, 256, (*values.shape[:-1], values.shape[-1] // 32, 17), np.uint8)
        raw[..., 0] = 120
        writer.add_tensor(name, raw.reshape(*values.shape[:-1], -1), raw_dtype=Kind.MXFP4)


def test_experts_in_mxfp4_stay_in_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codex_windows_ai.models.convert.experts.multiplies_mxfp4", lambda: True)
    sizes = {"hidden": 128, "feed_forward": 512, "layers": 1, "experts": 128}
    tiny = ManyExperts("qwen3moe", Kind.Q8_0, pre="qwen2", head_norms=True, expert_kind=Kind.MXFP4, **sizes)
    folder = read_model_folder(converted(tiny, tmp_path))
    experts = sizes["experts"] * 3 * sizes["hidden"] * sizes["feed_forward"] * 17 // 32
    read = read_sizes(folder)
    assert read.mapped == experts
    assert read.weights < 1.1 * experts
    # What is made private is less than half of it; integers of 4 bits would be copied, and more than once.
    assert Model(folder, threads=1).loaded_bytes < experts // 2
    planned = plan_memory(read, 64, memory=2 * experts + read.scratch)
    assert planned.weights <= 1.2 * experts
