"""The converted graph against the naive oracle on the same GGUF file, for every shape of model it claims."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from gguf import GGMLQuantizationType as Kind

from codex_windows_ai.errors import ModelFileError, StorageError, UnsupportedModelError
from codex_windows_ai.models import storage
from codex_windows_ai.models.convert.configuration import MODEL
from codex_windows_ai.models.convert.convert import convert
from codex_windows_ai.models.folder import CPU_MODEL, EXACT_SUMS
from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.precision import Precision
from codex_windows_ai.models.progress import silent
from tests.models import reference
from tests.models.gemma4_file import LARGE, SMALL
from tests.models.synthetic import CLAMPED_MIXTURE, MIXTURE, Tiny


def converted(tiny: Tiny, tmp_path: Path, precision: Precision = Precision.OWN) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    convert(tiny.write(tmp_path / "tiny.gguf"), folder, silent, precision=precision)
    return folder


def session_of(folder: Path, model: str = MODEL) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry(*EXACT_SUMS)
    return onnxruntime.InferenceSession(folder / model, options, providers=["CPUExecutionProvider"])


def run(session, tokens: np.ndarray, past=None, **optional) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Logits, and the past for the next call."""
    names = [value.name for value in session.get_inputs() if value.name.startswith("past")]
    if past is None:
        shapes = {value.name: value.shape for value in session.get_inputs()}
        past = {name: np.zeros((len(tokens), shapes[name][1], 0, shapes[name][3]), np.float32) for name in names}
    length = past[names[0]].shape[2] + tokens.shape[1]
    mask = np.ones((len(tokens), length), np.int64)
    outputs = ["logits", *(name.replace("past_key_values", "present") for name in names)]
    logits, *present = session.run(outputs, {"input_ids": tokens, "attention_mask": mask, **past, **optional})
    return logits, dict(zip(names, present, strict=True))


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)))


def some_tokens(tiny: Tiny, count: int = 24) -> np.ndarray:
    return np.random.default_rng(3).integers(0, len(tiny.vocabulary()), (1, count))


SHAPES = {
    "llama float32 tied": Tiny(),
    "llama float16 untied": Tiny(kind=Kind.F16, tied=False),
    "llama bfloat16": Tiny(kind=Kind.BF16),
    "llama q4_0": Tiny(kind=Kind.Q4_0),
    "llama q4_1": Tiny(kind=Kind.Q4_1),
    "llama q5_1 untied": Tiny(kind=Kind.Q5_1, tied=False),
    "llama q8_0": Tiny(kind=Kind.Q8_0),
    "llama q6_k": Tiny(kind=Kind.Q6_K, hidden=256, feed_forward=256, heads=4, kv_heads=2, head_size=64),
    "llama biased": Tiny(bias=True),
    "llama 3 frequency factors": Tiny(rope_factors=("rope_freqs",)),
    "llama one key head": Tiny(kv_heads=1),
    "qwen2 q8_0": Tiny(architecture="qwen2", pre="qwen2", bias=True, kind=Kind.Q8_0),
    "qwen2 untied": Tiny(architecture="qwen2", pre="qwen2", bias=True, tied=False),
    "llama biased everywhere": Tiny(
        tied=False,
        biases=("attn_q", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"),
        more={"output.bias": (269,)},
    ),
    "llama fused, linear": Tiny(fused=True, bias=False, extra={".rope.scale_linear": 4.0}),
    "qwen3": Tiny(architecture="qwen3", pre="qwen2", head_norms=True, head_size=32),
    "gemma2": Tiny(
        architecture="gemma2",
        post_norms=True,
        extra={".attention.sliding_window": 8, ".attn_logit_softcapping": 2.0, ".final_logit_softcapping": 0.8},
    ),
    "gemma3": Tiny(
        architecture="gemma3",
        post_norms=True,
        head_norms=True,
        extra={
            ".attention.sliding_window": 8,
            ".attention.sliding_window_pattern": 2,
            ".rope.freq_base_swa": 100.0,
            ".rope.scaling.type": "linear",
            ".rope.scaling.factor": 8.0,
        },
    ),
    "gemma4 small": SMALL,
    "gemma4 large": LARGE,
    "gemma4 small q4_0": replace(SMALL, kind=Kind.Q4_0, layers=4),
    "mistral3": Tiny(
        architecture="mistral3",
        head_size=32,
        extra={
            ".rope.scaling.type": "yarn",
            ".rope.scaling.factor": 8.0,
            ".rope.scaling.original_context_length": 8,
            ".rope.scaling.yarn_beta_fast": 0.5,
            ".rope.scaling.yarn_beta_slow": 0.05,
            ".rope.scaling.yarn_log_multiplier": 0.5,
            ".attention.temperature_scale": 0.3,
        },
    ),
    "phi3": Tiny(
        architecture="phi3",
        fused=True,
        turned=16,
        head_size=32,
        rope_factors=("rope_factors_long", "rope_factors_short"),
        extra={
            ".attention.sliding_window": 0,
            ".rope.scaling.original_context_length": 32,
            ".rope.scaling.attn_factor": 1.3,
        },
    ),
    "granite": Tiny(
        architecture="granite",
        extra={".attention.scale": 0.5, ".embedding_scale": 6.0, ".residual_scale": 0.3, ".logit_scale": 4.0},
    ),
    "smollm3": Tiny(architecture="smollm3", layers=4, heads=2, kv_heads=1),
    "qwen3moe": MIXTURE,
    "qwen3moe q8_0": replace(MIXTURE, kind=Kind.Q8_0),
    "gpt-oss": CLAMPED_MIXTURE,
    "gpt-oss q8_0": replace(CLAMPED_MIXTURE, kind=Kind.Q8_0),
    "qwen2 wide heads": Tiny(architecture="qwen2", pre="qwen2", bias=True, heads=2, kv_heads=2, head_size=32),
}


FLOATS = {Kind.F32, Kind.F16, Kind.BF16}
CONVERSIONS = (
    {name: (tiny, Precision.FLOAT if tiny.kind in FLOATS else Precision.OWN) for name, tiny in SHAPES.items()}
    | {
        f"{name}, at 8 bits": (SHAPES[name], Precision.EIGHT_BITS)
        for name in ("llama float32 tied", "llama biased everywhere", "gemma3", "gemma4 small")
    }
    | {
        f"{name}, of which floats are rounded": (SHAPES[name], Precision.OWN)
        for name in ("llama float16 untied", "llama biased everywhere")
    }
)
EXACT = 1e-4
"""Relative error of what is computed in float32 throughout; where activations are rounded it is 100 times as much."""


def bound(tiny: Tiny, precision: Precision) -> float:
    """Of the relative error: int8 activations make 0.05, a wrong rotation 0.5 and more."""
    return EXACT if precision is Precision.FLOAT and tiny.kind in FLOATS else 0.06


@pytest.fixture(scope="module", params=CONVERSIONS.values(), ids=CONVERSIONS.keys())
def shape(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tiny, Path, float]:
    """A model, the folder that it was converted into, for all tests of it, and how far off it may be."""
    tiny, precision = request.param
    return tiny, converted(tiny, tmp_path_factory.mktemp("shape"), precision), bound(tiny, precision)


def test_logits_of_all_positions_follow_the_oracle(shape: tuple[Tiny, Path, float]):
    tiny, folder, most = shape
    tokens = some_tokens(tiny)
    with GgufFile(folder.parent / "tiny.gguf") as file:
        expected = reference.forward(file, tokens)
    for model in (MODEL, CPU_MODEL):
        logits, _ = run(session_of(folder, model), tokens)
        assert logits.shape == expected.shape
        assert relative_error(logits, expected) < most


def test_a_step_with_a_past_equals_one_pass_over_everything(shape: tuple[Tiny, Path, float]):
    tiny, folder, most = shape
    tokens = some_tokens(tiny)
    for model in (MODEL, CPU_MODEL):
        session = session_of(folder, model)
        whole, _ = run(session, tokens)
        _, past = run(session, tokens[:, :16])
        rest, _ = run(session, tokens[:, 16:], past)
        if most == EXACT:  # sums of float32 depend on how many rows are multiplied
            assert relative_error(rest, whole[:, 16:]) < most
        else:
            np.testing.assert_array_equal(rest, whole[:, 16:])


def test_a_prefix_that_rows_share_may_be_read_once_for_all_of_them(shape: tuple[Tiny, Path, float]):
    tiny, folder, most = shape
    session = session_of(folder, CPU_MODEL)
    if (
        tiny.sinks or tiny.architecture in reference.GEMMA
    ):  # of which a window sees a part, or whose softmax is of another kind
        optional = [value.name for value in session.get_overridable_initializers()]
        assert "shared_length" not in optional
        return
    random = np.random.default_rng(5)
    prefix, own, new = (random.integers(0, len(tiny.vocabulary()), (3, length)) for length in (16, 7, 1))
    _, past = run(session, np.hstack([np.tile(prefix[:1], (3, 1)), own]))
    expected, present = run(session, new, past)

    shared = {name.replace("past_key_values", "shared"): values[0, :, :16] for name, values in past.items()}
    behind = {name: values[:, :, 16:] for name, values in past.items()}
    logits, present_behind = run(session, new, behind, shared_length=np.array([16]), **shared)

    assert relative_error(logits, expected) < most / 2
    for name, values in present_behind.items():
        assert relative_error(values, present[name][:, :, 16:]) < most / 2
    unlike, _ = run(session, new, behind, shared_length=np.array([17]), **shared)
    assert relative_error(unlike, expected) > 0.1  # so that the bound says something


def test_a_piece_of_a_prompt_may_be_read_in_the_pass_of_others(shape: tuple[Tiny, Path, float]):
    tiny, folder, most = shape
    session = session_of(folder, CPU_MODEL)
    if tiny.architecture == "mistral3":  # whose queries grow with their positions
        assert "piece_length" not in [value.name for value in session.get_overridable_initializers()]
        return
    random = np.random.default_rng(5)
    own, new, before, piece = (
        random.integers(0, len(tiny.vocabulary()), size) for size in ((3, 13), (3, 1), (1, 9), (1, 5))
    )
    _, past = run(session, own)
    _, past_of_piece = run(session, before)
    expected, present = run(session, new, past)
    expected_of_piece, present_of_piece = run(session, piece, past_of_piece)

    names = list(past)
    sizes = {"piece_length": np.array([5]), "piece_past": np.array([9])}
    both = {name.replace("past_key_values", "piece"): values for name, values in past_of_piece.items()}
    outputs = [name.replace("past_key_values", kind) for kind in ("present", "piece_present") for name in names]
    feeds = {"input_ids": np.hstack([piece, new.T]), "attention_mask": np.ones((3, 14), np.int64), **past}
    logits, *values = session.run(["logits", *outputs], feeds | both | sizes)

    assert relative_error(logits[:, 5:, :], expected.transpose(1, 0, 2)) < most / 2
    assert relative_error(logits[:, :5], expected_of_piece) < most / 2
    wanted = [*(present[name] for name in names), *(present_of_piece[name] for name in names)]
    for found, right in zip(values, wanted, strict=True):
        assert relative_error(found, right) < most / 2
    forgotten = {name: np.zeros_like(values) for name, values in both.items()}
    unlike, *_ = session.run(["logits"], feeds | forgotten | sizes)
    assert relative_error(unlike[:, :5], expected_of_piece) > most / 2  # so that the bound says something


def test_the_cpu_graph_needs_neither_a_shared_prefix_nor_a_piece(tmp_path: Path):
    session = session_of(converted(Tiny(), tmp_path), CPU_MODEL)
    optional = {value.name for value in session.get_overridable_initializers()}
    layers = {f"{what}.{n}.{part}" for what in ("shared", "piece") for n in "01" for part in ("key", "value")}
    assert optional == {"logits_to_keep", "shared_length", "piece_length", "piece_past", *layers}


@pytest.mark.parametrize(("keep", "kept"), [(0, 24), (1, 1), (5, 5), (100, 24)])
def test_logits_to_keep_gives_the_last_positions_and_zero_gives_all(keep: int, kept: int, tmp_path: Path):
    session = session_of(converted(Tiny(), tmp_path))
    tokens = some_tokens(Tiny())
    whole, _ = run(session, tokens)
    logits, _ = run(session, tokens, logits_to_keep=np.array([keep]))
    assert logits.shape[1] == kept
    np.testing.assert_allclose(logits, whole[:, -kept:], rtol=1e-5, atol=1e-5)


def test_logits_to_keep_is_optional_and_takes_no_place_among_the_inputs(tmp_path: Path):
    session = session_of(converted(Tiny(), tmp_path))
    assert [value.name for value in session.get_overridable_initializers()] == ["logits_to_keep"]
    assert "logits_to_keep" not in [value.name for value in session.get_inputs()]


def test_a_tied_embedding_is_stored_once(tmp_path: Path):
    (tmp_path / "tied").mkdir()
    (tmp_path / "untied").mkdir()
    tied, untied = Tiny(hidden=256), Tiny(hidden=256, tied=False)
    sizes = [
        (converted(tiny, tmp_path / name) / "model.onnx.data").stat().st_size
        for tiny, name in ((tied, "tied"), (untied, "untied"))
    ]
    assert sizes[1] - sizes[0] > len(tied.vocabulary()) * 256


@pytest.mark.parametrize(
    ("tiny", "named"),
    [
        (Tiny(architecture="unheard-of"), ["unheard-of", "llama", "qwen2"]),
        (Tiny(tokenizer="t5"), ["`t5`", "gpt2", "llama", "gemma4"]),
        (Tiny(pre="viking"), ["viking", "smollm", "qwen2"]),
        (Tiny(extra={"llama.expert_count": 8}), ["expert_count", "8"]),
        (Tiny(extra={"llama.rope.scaling.type": "ntk"}), ["ntk", "linear", "yarn"]),
        (Tiny(extra={".rope.dimension_count": 8}), ["rope.dimension_count", "8"]),
        (Tiny(extra={"split.count": 2}), ["split.count", "2"]),
        (Tiny(architecture="", extra={"split.count": 3, "split.no": 1}), ["split.count", "3"]),
        (Tiny(head_size=24), ["24", "16"]),
        (Tiny(architecture="qwen2", head_size=32, turned=24), ["turned", "24", "16"]),
        (Tiny(architecture="qwen2", turned=32), ["32", "16"]),
        (Tiny(extra={".attention.causal": False}), ["`llama.attention.causal`", "False"]),
        (Tiny(extra={".attention.sliding_window": 32}), ["attention.sliding_window", "32"]),
        (Tiny(extra={".attn_logit_softcapping": 50.0}), ["attn_logit_softcapping", "50"]),
        (Tiny(extra={".logit_scale": 0.5}), ["logit_scale", "0.5"]),
        (Tiny(extra={".attention.kv_lora_rank": 16}), ["kv_lora_rank", "16"]),
        (Tiny(extra={".attention.rope_pattern": [1, 0]}), ["rope_pattern", "[1, 0]"]),
        (Tiny(biases=("attn_norm",)), ["`blk.0.attn_norm.bias`, `blk.1.attn_norm.bias`;"]),
        (Tiny(more={"blk.0.attn_sinks.weight": (4,)}), ["`blk.0.attn_sinks.weight`"]),
        (Tiny(more={f"blk.{n}.attn_norm.weight": (64,) for n in range(2, 7)}), ["`blk.4.attn_norm.weight` and 2 more"]),
        (Tiny(architecture="qwen2", post_norms=True), ["`blk.0.post_attention_norm.weight`", "and 1 more"]),
    ],
    ids=lambda value: None if isinstance(value, Tiny) else value[0],
)
def test_what_cannot_be_run_is_refused_by_name_before_anything_is_written(tiny: Tiny, named: list[str], tmp_path: Path):
    with pytest.raises(UnsupportedModelError) as caught:
        converted(tiny, tmp_path)
    assert all(word in caught.value.message for word in named)
    assert list((tmp_path / "model").iterdir()) == []


@pytest.mark.parametrize("name", ["token_embd.weight", "blk.1.ffn_up.weight", "blk.0.attn_norm.weight"])
def test_a_missing_tensor_is_named(name: str, tmp_path: Path):
    with pytest.raises(ModelFileError, match=name):
        converted(Tiny(left_out=name), tmp_path)


@pytest.mark.parametrize("name", ["token_embd.weight", "blk.1.attn_k.weight"])
def test_a_tensor_of_the_wrong_shape_is_named_with_both_shapes(name: str, tmp_path: Path):
    with pytest.raises(ModelFileError, match=rf"{name}.*\(\d+, 64\), found \(\d+, 64\)"):
        converted(Tiny(misshapen=name), tmp_path)


def test_a_full_disk_is_told_with_numbers_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = storage.shutil.disk_usage(tmp_path)._replace(free=3_000_000)
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(StorageError, match=r"needs \d+ MB .* only 3 MB"):
        converted(Tiny(), tmp_path)
    assert list((tmp_path / "model").iterdir()) == []


def test_progress_counts_up_to_the_total(tmp_path: Path):
    seen: list[tuple[str, int, int]] = []
    (tmp_path / "model").mkdir()
    convert(Tiny().write(tmp_path / "tiny.gguf"), tmp_path / "model", lambda *report: seen.append(report))
    total = seen[0][2]
    assert {stage for stage, _, _ in seen} == {"convert"}
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[-1] == ("convert", total, total)


def test_genai_config_decodes_greedily_and_stops_at_every_end_of_turn(tmp_path: Path):
    config = json.loads((converted(Tiny(), tmp_path) / "genai_config.json").read_text(encoding="utf-8"))
    assert config["model"]["eos_token_id"] == [2, 0]  # <|im_end|> by the metadata, <|endoftext|> by its name
    assert config["model"]["context_length"] == 64
    assert config["search"]["do_sample"] is False
    assert config["search"]["past_present_share_buffer"] is True
