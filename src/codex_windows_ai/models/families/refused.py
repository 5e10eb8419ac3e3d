"""Architectures that are known and cannot be run: why, and which model that can is nearest.

Nearest is what serves the same purpose at about the same size, not what is built alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from codex_windows_ai.errors import UnsupportedModelError
from codex_windows_ai.models.contents import shown

if TYPE_CHECKING:
    from codex_windows_ai.models.gguf.file import GgufFile


class Refusal(NamedTuple):
    """What is said of an architecture."""

    models: str
    reason: str
    nearest: tuple[str, ...]
    """As the families call their models."""
    only_with: str = ""
    """A key of the architecture that is not 0 in the files that are meant; others may be run."""


_COMPRESSED = "keeps keys and values compressed (multi-head latent attention), which no attention of ONNX Runtime reads"
_MAMBA = "has Mamba layers, whose states nothing here computes"
_GELU = "gates its experts by GELU, for which ONNX Runtime has no code on processors"
_RELU = "has Mamba layers, and experts of squared ReLU, for which ONNX Runtime has no code on processors"
_SIGMOID = "chooses its experts by sigmoids, with biases or in groups, which is not built"
_NOPE = "turns only what layers with a window read, and gates what its attention gives, which is not built"
_BESIDE = "is a part of a model, which answers nothing by itself"
_DRAFT = "only drafts for another model"
_EMBEDS = "makes vectors of texts, and no answers"
_30B = ("Qwen3-Coder-30B-A3B", "gpt-oss-20b")
_20B = ("gpt-oss-20b",)
_120B = ("gpt-oss-120b",)
_SMALL = ("Qwen3",)

REFUSALS: Mapping[str, Refusal] = {
    "deepseek2": Refusal("DeepSeek V2 and V3, GLM-4.7-Flash, Kimi K2", _COMPRESSED, _30B),
    "glm-dsa": Refusal("GLM-5", _COMPRESSED, _120B),
    "kimi-linear": Refusal("Kimi Linear", _COMPRESSED, _30B),
    "minicpm3": Refusal("MiniCPM3", _COMPRESSED, _SMALL),
    "plm": Refusal("PLM", _COMPRESSED, _SMALL),
    "nemotron_h": Refusal("Nemotron-H, Nemotron Nano 2", _MAMBA, _SMALL),
    "nemotron_h_moe": Refusal("Nemotron 3 Nano", _RELU, _30B),
    "granitehybrid": Refusal("Granite 4 with Mamba layers (h-micro, h-tiny, h-small)", _MAMBA, ("Granite 4 (dense)",)),
    "falcon-h1": Refusal("Falcon-H1", _MAMBA, _SMALL),
    "jamba": Refusal("Jamba", _MAMBA, _SMALL),
    "mamba": Refusal("Mamba", _MAMBA, _SMALL),
    "mamba2": Refusal("Mamba 2, Codestral Mamba", _MAMBA, _SMALL),
    "plamo2": Refusal("PLaMo 2", _MAMBA, _SMALL),
    "gemma4": Refusal("Gemma 4 with experts (26B-A4B)", _GELU, _30B, only_with="expert_count"),
    "muse-glimmer": Refusal("Muse Glimmer", _NOPE, ("Devstral 2", "gpt-oss-20b")),
    "lfm2moe": Refusal("LFM2 with experts (8B-A1B, 24B-A2B)", _SIGMOID, _20B),
    "glm4moe": Refusal("GLM-4.5 to 4.7", _SIGMOID, _120B),
    "bailingmoe2": Refusal("Ling 2, Ring 2", _SIGMOID, _30B),
    "dots1": Refusal("dots.llm1", _SIGMOID, _120B),
    "minimax-m2": Refusal("MiniMax M2", _SIGMOID, _120B),
    "ernie4_5-moe": Refusal("ERNIE 4.5 with experts", _SIGMOID, _30B),
    "hunyuan-moe": Refusal("Hunyuan A13B", "norms heads behind their rotation, which is not built", _120B),
    "llama4": Refusal("Llama 4", "weighs what its experts read and not what they give, which is not built", _120B),
    "clip": Refusal("the eyes or ears of a model (mmproj)", _BESIDE, _SMALL),
    "gemma4-assistant": Refusal("a drafter for Gemma 4", _DRAFT, _SMALL),
    "eagle3": Refusal("EAGLE-3", _DRAFT, _SMALL),
    "dflash": Refusal("DFlash", _DRAFT, _SMALL),
    "bert": Refusal("BERT and its like", _EMBEDS, _SMALL),
    "nomic-bert": Refusal("Nomic Embed", _EMBEDS, _SMALL),
    "gemma-embedding": Refusal("EmbeddingGemma", _EMBEDS, _SMALL),
}


def refuse_known(file: GgufFile, hint: str) -> None:
    """Raises UnsupportedModelError: the file's architecture is one of these; `hint` is what else there is to use."""
    found = REFUSALS.get(file.architecture)
    if found is None or (found.only_with and not file.metadata.get(f"{file.architecture}.{found.only_with}")):
        return
    nearest = " or ".join(found.nearest)
    raise UnsupportedModelError(
        f"{file.path} is {shown(file.architecture)} ({found.models}), which {found.reason}.",
        hint=f"The nearest that runs: {nearest}. {hint}",
    )
