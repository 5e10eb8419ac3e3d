"""Memory that the engine says it takes, against the process's own."""

from pathlib import Path

import numpy as np

from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.memory_plan import plan_memory
from codex_windows_ai.engine.model import Model
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.hardware.memory import own_memory
from codex_windows_ai.models.folder import ModelFolder, read_model_folder
from codex_windows_ai.models.graph_check import read_sizes

TOLERANCE = 4 << 20
"""Python's own objects, and pages of heap that are used in part."""
BUDGET = 64 << 20
PROMPTS, TOKENS = 12, 480


def test_memory_that_grows_is_bounded_by_the_parts_that_are_said(tiny_model: ModelFolder):
    plan = plan_memory(read_sizes(tiny_model), tiny_model.context_length, memory=BUDGET)
    core = EngineCore(tiny_model, plan.configure(threads=1, prefill_seconds=0.12))
    core.warm_up()
    before = own_memory()
    random = np.random.default_rng(1)
    for _ in range(PROMPTS):
        prompt = random.integers(0, 256, TOKENS).tolist()
        core.enqueue(core.prepare(EngineRequest(prompt, max_output_tokens=4), lambda piece: None))
        while not core.idle:
            core.step()
    figures = core.statistics()
    grown, kept = own_memory() - before, figures.cache_bytes
    assert kept >= PROMPTS * TOKENS * core.model.spec.bytes_per_token
    assert 0.8 * kept <= grown <= figures.memory_bytes - figures.weights_bytes + TOLERANCE
    assert figures.memory_bytes <= figures.memory_bytes_budget == plan.budget <= BUDGET


def test_a_session_sleeps_soon_and_keeps_no_plan_for_every_length(converted: Path):
    options = Model(read_model_folder(converted), threads=1)._session.get_session_options()
    assert not options.enable_mem_pattern
    assert options.get_session_config_entry("session.intra_op.spin_duration_us") == "20"


def test_a_warm_engine_has_the_figures_of_a_new_one(tiny_model: ModelFolder):
    core = EngineCore(tiny_model)
    before = core.statistics()
    core.warm_up()
    assert core.statistics() == before
    assert core.pool.nbytes == 0
    assert not list(core.cache.blocks())
