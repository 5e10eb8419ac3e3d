"""A family is one value in the registry; its layers need not be alike."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from codex_windows_ai.errors import UnsupportedModelError
from codex_windows_ai.models.convert.configuration import MODEL
from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.families.registry import FAMILIES
from codex_windows_ai.models.folder import CPU_MODEL
from codex_windows_ai.models.gguf.file import GgufFile
from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters
from codex_windows_ai.models.spec import AttentionSpec, DecoderSpec, LayerSpec, MlpSpec, RopeSpec
from tests.models import reference
from tests.models.synthetic import Tiny
from tests.models.test_convert import converted, relative_error, run, session_of, some_tokens

LAYERS = (
    LayerSpec(AttentionSpec(4, 2, 16, RopeSpec(16, 10000.0), bias=True), MlpSpec(96)),
    LayerSpec(AttentionSpec(2, 1, 32, RopeSpec(32, 1000.0, linear_factor=2.0)), MlpSpec(64)),
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
                if attention.bias:
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
        converted(Tiny(tokenizer="llama"), tmp_path)
    *others, last = models()
    assert f"{', '.join(others)} and {last} have such a tokenizer" in str(caught.value.hint)
