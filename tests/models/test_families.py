"""A family is one value in the registry; its layers need not be alike."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.convert.configuration import MODEL
from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.families.refused import REFUSALS
from codex_windows_ai.models.families.registry import FAMILIES, read_spec
from codex_windows_ai.models.folder import CPU_MODEL
from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters
from codex_windows_ai.models.spec import AttentionSpec, DecoderSpec, LayerSpec, MlpSpec, RopeSpec
from tests.models import reference
from tests.models.synthetic import Tiny
from tests.models.test_convert import converted, relative_error, run, session_of, some_tokens

LAYERS = (
    LayerSpec(AttentionSpec(4, 2, 16, RopeSpec(16, 10000.0), frozenset({"query", "key", "value"})), MlpSpec(96)),
    LayerSpec(AttentionSpec(2, 1, 32, RopeSpec(32, 1000.0, divisors=(2.0,) * 16)), MlpSpec(64)),
    LayerSpec(AttentionSpec(6, 3, 16, RopeSpec(16, 10000.0)), MlpSpec(160)),
)


def read(metadata: Hyperparameters) -> DecoderSpec:
    return metadata.decoder(LAYERS)


@dataclass
class Striped(Tiny):
    """A model of a family that nothing but `FAMILIES` knows, with layers of three kinds."""

    architecture: str = "striped"
    layers: int = len(LAYERS)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = super().shapes()
        for number, layer in enumerate(LAYERS):
            attention, width, block = layer.attention, layer.mlp.size, f"blk.{number}"
            for part, size in (("q", attention.query_size), ("k", attention.key_size), ("v", attention.key_size)):
                shapes[f"{block}.attn_{part}.weight"] = (size, self.hidden)
                if attention.biases:
                    shapes[f"{block}.attn_{part}.bias"] = (size,)
            shapes[f"{block}.attn_output.weight"] = (self.hidden, attention.query_size)
            shapes[f"{block}.ffn_gate.weight"] = shapes[f"{block}.ffn_up.weight"] = (width, self.hidden)
            shapes[f"{block}.ffn_down.weight"] = (self.hidden, width)
        return shapes


def models() -> list[str]:
    return [model for family in FAMILIES.values() for model in family.models]


@pytest.fixture
def striped(monkeypatch: pytest.MonkeyPatch) -> Striped:
    monkeypatch.setitem(FAMILIES, "striped", Family("striped", ("Striped 1",), read))
    return Striped()


@pytest.mark.parametrize("model", [MODEL, CPU_MODEL])
def test_a_family_with_unlike_layers_follows_the_oracle(model: str, striped: Striped, tmp_path: Path):
    folder, tokens = converted(striped, tmp_path), some_tokens(striped)
    with GgufFile(tmp_path / "tiny.gguf") as file:
        expected = reference.forward(file, tokens)
    session = session_of(folder, model)
    feeds = {
        value.name: np.zeros((1, value.shape[1], 0, value.shape[3]), np.float32)
        for value in session.get_inputs()
        if value.name.startswith("past")
    }
    logits, _ = run(session, tokens, feeds)
    assert relative_error(logits, expected) < 0.06  # int8 activations


def test_unlike_layers_read_a_shared_prefix_alike(striped: Striped, tmp_path: Path):
    session = session_of(converted(striped, tmp_path), CPU_MODEL)
    random = np.random.default_rng(5)
    prefix, new = random.integers(0, 250, (1, 16)), random.integers(0, 250, (1, 1))
    nothing = {
        value.name: np.zeros((1, value.shape[1], 0, value.shape[3]), np.float32)
        for value in session.get_inputs()
        if value.name.startswith("past")
    }
    _, past = run(session, prefix, nothing)
    expected, _ = run(session, new, past)
    shared = {name.replace("past_key_values", "shared"): values[0, :, :15] for name, values in past.items()}
    behind = {name: values[:, :, 15:] for name, values in past.items()}
    logits, _ = run(session, new, behind, shared_length=np.array([15]), **shared)
    assert relative_error(logits, expected) < 0.03  # int8 activations


def test_an_unknown_family_is_told_which_models_there_are(striped: Striped, tmp_path: Path):
    with pytest.raises(UnsupportedModelError, match=f"{', '.join(FAMILIES)}\\.") as caught:
        converted(Tiny(architecture="unheard-of"), tmp_path)
    *others, last = models()
    assert last == "Striped 1"
    assert f"{', '.join(others)} or Striped 1," in str(caught.value.hint)


def test_a_tokenizer_of_another_kind_is_told_the_same_models(tmp_path: Path):
    with pytest.raises(UnsupportedModelError) as caught:
        converted(Tiny(tokenizer="t5"), tmp_path)
    *others, last = models()
    assert f"{', '.join(others)} and {last} have such a tokenizer" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("architecture", "kin"),
    [
        ("qwen3moevl", "Qwen3-30B-A3B"),
        ("gemma3n", "Gemma 3"),
        ("granitemoe", "Granite 3"),
        ("phi2", "Phi-4"),
        ("rwkv6", None),
    ],
)
def test_an_unknown_family_is_told_its_kin(architecture: str, kin: str | None, tmp_path: Path):
    with pytest.raises(UnsupportedModelError) as caught:
        converted(Tiny(architecture=architecture), tmp_path)
    hint = str(caught.value.hint)
    assert hint.startswith("Use a GGUF file" if kin is None else "Of its kind ")
    assert kin is None or kin in hint.partition(" work. ")[0]


@pytest.mark.parametrize("architecture", REFUSALS)
def test_what_is_known_not_to_run_is_refused_with_the_reason_and_the_nearest(architecture: str, tmp_path: Path):
    models, reason, nearest, only_with = REFUSALS[architecture]
    extra = {f".{only_with}": 8} if only_with else {}
    with pytest.raises(UnsupportedModelError) as caught:
        converted(Tiny(architecture=architecture, layers=1, extra=extra), tmp_path)
    assert f"`{architecture}` ({models})" in caught.value.message
    assert reason in caught.value.message
    assert str(caught.value.hint).startswith(f"The nearest that runs: {' or '.join(nearest)}. Use a GGUF file of ")


def test_the_nearest_of_what_is_refused_runs():
    assert {model for refusal in REFUSALS.values() for model in refusal.nearest} <= {*models()}
    assert not [name for name, refusal in REFUSALS.items() if name in FAMILIES and not refusal.only_with]


def spec_of(tiny: Tiny, tmp_path: Path) -> DecoderSpec:
    with GgufFile(tiny.write(tmp_path / "tiny.gguf")) as file:
        return read_spec(file)


@pytest.mark.parametrize(
    "harmless",
    [
        {".rope.scaling.type": "none", ".rope.scaling.factor": 4.0},
        {".rope.scaling.type": "linear", ".rope.scaling.factor": 0.0},
        {".rope.scaling.type": "yarn", ".rope.scaling.factor": 1.0},
        {".attention.causal": True, ".expert_count": 0, ".attention.sliding_window": 0, ".logit_scale": 1.0},
        {".attention.head_count": [4, 4], ".attention.head_count_kv": [2, 2], ".feed_forward_length": [96, 96]},
        {".vocab_size": 269, ".something.new": 7},
    ],
    ids=lambda keys: next(iter(keys.values()), None),
)
def test_what_changes_nothing_is_no_reason_to_refuse(harmless: dict[str, Any], tmp_path: Path):
    assert spec_of(Tiny(extra=harmless), tmp_path) == spec_of(Tiny(), tmp_path)


def test_layers_may_differ_in_heads_and_width(tmp_path: Path):
    tiny = Tiny(
        extra={".attention.head_count": [4, 2], ".attention.head_count_kv": [2, 1], ".feed_forward_length": [96, 32]},
        more={
            "blk.1.attn_q.weight": (32, 64),
            "blk.1.attn_k.weight": (16, 64),
            "blk.1.attn_v.weight": (16, 64),
            "blk.1.attn_output.weight": (64, 32),
            "blk.1.ffn_gate.weight": (32, 64),
            "blk.1.ffn_up.weight": (32, 64),
            "blk.1.ffn_down.weight": (64, 32),
        },
    )
    first, second = spec_of(tiny, tmp_path).layers
    assert (first.attention.heads, first.attention.kv_heads, first.mlp.size) == (4, 2, 96)
    assert (second.attention.heads, second.attention.kv_heads, second.mlp.size) == (2, 1, 32)


def test_layers_that_only_draft_are_left_out(tmp_path: Path):
    spec = spec_of(
        Tiny(layers=3, extra={".nextn_predict_layers": 1}, more={"blk.2.nextn.eh_proj.weight": (64, 128)}), tmp_path
    )
    assert len(spec.layers) == 2


def test_a_window_of_phi3_counts_where_it_is_shorter_than_the_context(tmp_path: Path):
    for window, expected in ((0, None), (8, 8), (64, None)):
        spec = spec_of(Tiny(architecture="phi3", fused=True, extra={".attention.sliding_window": window}), tmp_path)
        assert [layer.attention.window for layer in spec.layers] == [expected, expected]


def test_a_window_of_gemma_follows_the_files_own_pattern(tmp_path: Path):
    tiny = Tiny(architecture="gemma3", layers=7, head_norms=True, post_norms=True)
    for pattern, windows in (
        ({}, [8, 8, 8, 8, 8, None, 8]),
        (
            {".attention.sliding_window_pattern": [True, False, True, True, False, False, True]},
            [8, None, 8, 8, None, None, 8],
        ),
    ):
        spec = spec_of(
            replace(tiny, extra={".attention.sliding_window": 8, ".rope.freq_base_swa": 100.0, **pattern}), tmp_path
        )
        assert [layer.attention.window for layer in spec.layers] == windows
        assert len(spec.ropes) == 2


def test_longrope_takes_the_long_factors_where_the_window_was_made_longer(tmp_path: Path):
    tiny = Tiny(architecture="phi3", fused=True, rope_factors=("rope_factors_long", "rope_factors_short"))
    divisors = []
    for original in (32, 64):
        written = replace(tiny, extra={".rope.scaling.original_context_length": original})
        (rope,) = spec_of(written, tmp_path).ropes
        with GgufFile(tmp_path / "tiny.gguf") as file:
            name = "rope_factors_long" if original == 32 else "rope_factors_short"
            assert rope.divisors == tuple(file.read_rows(file.tensors[f"{name}.weight"])[0].tolist())
        divisors.append(rope.divisors)
    assert divisors[0] != divisors[1]


@pytest.mark.parametrize(
    ("keys", "magnitude"),
    [
        ({}, 1 + 0.1 * math.log(8)),
        ({".rope.scaling.yarn_log_multiplier": 1.0}, 1.0),
        ({".rope.scaling.yarn_attn_factor": 1.5}, 1.5),
        ({".rope.scaling.attn_factor": 0.5}, 0.5 + 0.05 * math.log(8)),
    ],
)
def test_the_attention_factor_of_yarn(keys: dict[str, Any], magnitude: float, tmp_path: Path):
    yarn = {".rope.scaling.type": "yarn", ".rope.scaling.factor": 8.0, ".rope.scaling.original_context_length": 16}
    (rope,) = spec_of(Tiny(extra={**yarn, **keys}), tmp_path).ropes
    assert rope.magnitude == pytest.approx(magnitude)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({".attention.key_length": (1 << 31) - 1}, "key_length"),
        ({".attention.key_length": 1 << 17}, "key_length"),
        ({".attention.sliding_window": (1 << 32) - 1}, "sliding_window"),
        ({".attention.sliding_window_pattern": [True]}, "sliding_window_pattern"),
        ({".attention.head_count": [4]}, "head_count"),
        ({".rope.scaling.type": "yarn", ".rope.scaling.original_context_length": 0}, "original_context_length"),
        ({".rope.scaling.type": "yarn", ".rope.scaling.yarn_beta_fast": float("nan")}, "yarn_beta_fast"),
        ({".final_logit_softcapping": float("inf")}, "final_logit_softcapping"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_numbers_that_no_model_has_are_named(keys: dict[str, Any], named: str, tmp_path: Path):
    tiny = Tiny(architecture="gemma3", head_norms=True, post_norms=True, extra=keys)
    with pytest.raises(ModelFileError, match=f"`gemma3.*{named}`"):
        spec_of(tiny, tmp_path)


def test_no_more_is_turned_than_there_is(tmp_path: Path):
    with pytest.raises(UnsupportedModelError, match="of heads of 16 elements 1073741824 cannot be turned"):
        spec_of(Tiny(architecture="qwen2", turned=1 << 30), tmp_path)
