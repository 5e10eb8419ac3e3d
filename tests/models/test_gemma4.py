"""Gemma 4: what its files describe, and answers of the engine; `test_convert` holds its arithmetic to the oracle."""

import math
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.folder import CPU_MODEL, read_model_folder
from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.graph_check import check_graphs, read_sizes
from codex_windows_ai.models.precision import Precision
from tests.engine.clients import Client, run
from tests.models import reference
from tests.models.gemma4_file import FAR, LARGE, NEAR, SMALL, Gemma4
from tests.models.test_convert import converted, session_of, some_tokens
from tests.models.test_convert import run as run_graph
from tests.models.test_families import spec_of


def test_layers_of_the_small_ones_read_the_last_keys_and_values_of_their_kind(tmp_path: Path):
    spec = spec_of(SMALL, tmp_path)
    attentions = spec.attentions
    assert [each.window for each in attentions] == [8, None, 8, None, 8, None]
    assert [each.reads_layer for each in attentions] == [None, None, None, None, 2, 3]
    assert [(each.head_size, each.kv_heads) for each in attentions] == [(NEAR, 2), (FAR, 1)] * 3
    assert [layer.mlp.size for layer in spec.layers] == [96] * 4 + [128] * 2
    assert spec.layer_input_size == 32
    near, far = spec.ropes
    assert (near.size, near.base, near.divisors) == (NEAR, 100, ())
    assert (far.size, far.base) == (FAR, 1000)
    assert far.divisors == (1.0,) * 4 + (math.inf,) * 12  # a quarter turns, in pairs across the whole head


def test_layers_of_the_large_ones_that_see_everything_have_their_keys_for_values(tmp_path: Path):
    spec = spec_of(LARGE, tmp_path)
    assert [attention.values_are_keys for attention in spec.attentions] == [False, True, False, True]
    assert not any(attention.reads_layer for attention in spec.attentions)
    assert spec.layer_input_size == 0


def test_weights_for_keys_and_values_that_nobody_reads_are_no_reason_to_refuse(tmp_path: Path):
    assert spec_of(replace(SMALL, useless=True), tmp_path) == spec_of(SMALL, tmp_path)


def test_only_layers_with_keys_and_values_of_their_own_keep_them(tmp_path: Path):
    folder = read_model_folder(converted(SMALL, tmp_path))
    check_graphs(folder)
    two_near_two_far = 2 * (2 * 2 * NEAR + 2 * FAR) * 4
    assert read_sizes(folder).token == two_near_two_far
    assert EngineCore(folder).model.spec.bytes_per_token == two_near_two_far


@pytest.mark.parametrize(
    ("tiny", "named"),
    [
        (Gemma4(experts=8), ["Gemma 4 with experts", "GELU", "Qwen3-30B-A3B"]),
        (Gemma4(shared=6), ["shared_kv_layers", "layer 0"]),
        (Gemma4(shared=5), ["shared_kv_layers", "layer 1"]),
        (Gemma4(extra={".attention.value_length_swa": 32}), ["16", "values of 32"]),
        (Gemma4(extra={".rope.dimension_count_swa": 32}), ["16", "32 turn"]),
    ],
    ids=["experts", "no layer to read", "no layer of its kind to read", "values", "rotation"],
)
def test_what_cannot_be_run_is_refused_by_name(tiny: Gemma4, named: list[str], tmp_path: Path):
    with pytest.raises(UnsupportedModelError) as caught:
        spec_of(tiny, tmp_path)
    assert all(word in f"{caught.value.message} {caught.value.hint}" for word in named)


def test_a_file_must_say_which_layers_have_a_window(tmp_path: Path):
    pattern = {"gemma4.attention.sliding_window_pattern": (2, gguf.GGUFValueType.UINT32)}
    with pytest.raises(ModelFileError, match=r"lacks the list `gemma4\.attention\.sliding_window_pattern`"):
        spec_of(replace(LARGE, changed=pattern), tmp_path)


def test_suppressed_tokens_are_never_written(tmp_path: Path):
    def logits(tiny: Gemma4, place: Path) -> np.ndarray:
        place.mkdir()
        return run_graph(session_of(converted(tiny, place), CPU_MODEL), some_tokens(tiny))[0]

    suppressed = {"tokenizer.ggml.suppress_tokens": [7, 9, 7, -1, 100_000]}
    free, bound = logits(LARGE, tmp_path / "free"), logits(replace(LARGE, extra=suppressed), tmp_path / "bound")
    assert (bound[..., [7, 9]] < -1e8).all()
    np.testing.assert_array_equal(np.delete(bound, [7, 9], axis=-1), np.delete(free, [7, 9], axis=-1))


@pytest.mark.parametrize("tiny", [SMALL, LARGE], ids=["small", "large"])
def test_several_answers_at_once_are_those_of_the_oracle(tiny: Gemma4, tmp_path: Path):
    """Prompts longer than a window, cut into pieces, some while others decode; and one again, out of the cache."""
    folder = read_model_folder(converted(tiny, tmp_path, Precision.FLOAT))
    core = EngineCore(folder, EngineConfiguration(threads=1, prefill_chunk=16, prefill_seconds=0))
    random = np.random.default_rng(4)
    prompts = [tuple(random.integers(3, 250, length).tolist()) for length in (3, 40, 21)]
    clients = [Client(core, EngineRequest(prompt, max_output_tokens=6)) for prompt in prompts]
    run(core)
    clients.append(Client(core, EngineRequest(prompts[1], max_output_tokens=6)))
    run(core)
    with GgufFile(tmp_path / "tiny.gguf") as file:
        for client in clients:
            assert client.tokens
            said = [*client.request.prompt, *client.tokens]
            expected = reference.forward(file, np.array([said]))[0, len(client.request.prompt) - 1 : -1]
            assert client.tokens == expected.argmax(axis=-1).tolist()
