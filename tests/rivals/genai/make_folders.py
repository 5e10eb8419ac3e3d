"""Makes small models with random weights by transformers, and folders of them by ONNX Runtime GenAI's own builder.

Runs in `.venv-reference`: `python make_folders.py FOLDER`, with the tokenizer's files in FOLDER/tokenizer. It makes
FOLDER/NAME-PRECISION-PROVIDER for each of `MODELS` in each of `OPTIONS`, and for `MORE`, and prints a line of JSON for
each: its name, and why the builder failed, if it did.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

PLACE = Path(str(importlib.util.find_spec("onnxruntime_genai").submodule_search_locations[0])) / "models"
sys.path.insert(0, str(PLACE))
import builder  # noqa: E402

SIZES: dict[str, Any] = {
    "vocab_size": 269,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
    "tie_word_embeddings": False,
}
MIXED = {"num_hidden_layers": 3, "layer_types": ["sliding_attention", "sliding_attention", "full_attention"]}
WINDOW = {"sliding_window": 128}
PICTURES = {"image_token_id": 265, "video_token_id": 266, "vision_start_token_id": 267, "vision_end_token_id": 268}
EYES = {"depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 64}


def rope(base: float = 10000.0, **more: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": "default", "rope_theta": base, **more}}


def long_rope(size: int) -> dict[str, Any]:
    short, long = [1 + 0.02 * n for n in range(size // 2)], [1.0 + n for n in range(size // 2)]
    kind = {"rope_type": "longrope", "type": "longrope", "rope_theta": 10000.0}
    return {
        "original_max_position_embeddings": 256,
        "rope_parameters": kind | {"short_factor": short, "long_factor": long},
    }


def yarn() -> dict[str, Any]:
    kind = {"rope_type": "yarn", "rope_theta": 150000.0, "factor": 4.0, "beta_fast": 32.0, "beta_slow": 1.0}
    return {"rope_parameters": kind | {"original_max_position_embeddings": 256, "truncate": False}}


def text(kind: str, **more: Any) -> Callable[[], Any]:
    return lambda: transformers.AutoModelForCausalLM.from_config(
        getattr(transformers, f"{kind}Config")(**(SIZES | more))
    )


def with_eyes(kind: str, vision: dict[str, Any], **more: Any) -> Callable[[], Any]:
    def make() -> Any:
        config = getattr(transformers, f"{kind}Config")(
            text_config=SIZES | more, vision_config=EYES | vision, **PICTURES
        )
        return getattr(transformers, f"{kind}ForConditionalGeneration")(config)

    return make


SCALES = {"embedding_multiplier": 4.0, "attention_multiplier": 0.25, "logits_scaling": 2.0, "residual_multiplier": 0.7}
LINEAR = {
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}
MODELS: dict[str, Callable[[], Any]] = {
    "llama": text("Llama", head_dim=32, **rope()),
    "mistral": text("Mistral", head_dim=16, sliding_window=None, **rope()),
    "qwen2": text("Qwen2", **rope(1e6)),
    "qwen2-window": text("Qwen2", use_sliding_window=True, max_window_layers=1, **WINDOW, **rope(1e6)),
    "qwen3": text("Qwen3", head_dim=32, **rope(1e6)),
    "phi": text(
        "Phi", hidden_size=128, num_key_value_heads=4, partial_rotary_factor=0.5, **rope(partial_rotary_factor=0.5)
    ),
    "phi3": text("Phi3", original_max_position_embeddings=1024, **rope()),
    "phi3-longrope": text("Phi3", **long_rope(16)),
    "gemma": text("Gemma", head_dim=32, **rope()),
    "gemma2": text("Gemma2", head_dim=32, query_pre_attn_scalar=32, **WINDOW, **rope()),
    "gemma3": text("Gemma3Text", head_dim=32, query_pre_attn_scalar=32, **MIXED, **WINDOW),
    "gemma3-512": text("Gemma3Text", head_dim=32, query_pre_attn_scalar=32, **MIXED, sliding_window=512),
    "smollm3": text("SmolLM3", no_rope_layers=[1, 1], layer_types=["full_attention"] * 2, **rope()),
    "granite": text("Granite", **SCALES, **rope()),
    "olmo": text("Olmo", **rope()),
    "nemotron": text(
        "Nemotron", hidden_size=128, head_dim=32, partial_rotary_factor=0.5, **rope(partial_rotary_factor=0.5)
    ),
    "ernie4_5": text("Ernie4_5", head_dim=16, **rope()),
    "hunyuan": text("HunYuanDenseV1", head_dim=16, **rope(rope_type="dynamic", alpha=1000.0, factor=1.0)),
    "gptoss": text(
        "GptOss",
        intermediate_size=64,
        head_dim=16,
        num_local_experts=4,
        num_experts_per_tok=2,
        layer_types=["sliding_attention", "full_attention"],
        **WINDOW,
        **yarn(),
    ),
    "qwen2_5_vl": with_eyes("Qwen2_5_VL", {}, **rope(1e6, mrope_section=[2, 3, 3])),
    "qwen3_vl": with_eyes(
        "Qwen3VL",
        {"deepstack_visual_indexes": [0]},
        head_dim=16,
        **rope(1e6, mrope_section=[4, 2, 2], mrope_interleaved=True),
    ),
    "qwen3_5": with_eyes(
        "Qwen3_5",
        {"deepstack_visual_indexes": []},
        num_hidden_layers=2,
        head_dim=32,
        layer_types=["linear_attention", "full_attention"],
        **LINEAR,
        **rope(1e6, mrope_section=[2, 1, 1], mrope_interleaved=True, partial_rotary_factor=0.25),
    ),
    "lfm2": text("Lfm2", layer_types=["conv", "full_attention"], **rope()),
}
OPTIONS = (("int4", "cpu"), ("fp32", "cpu"))
MORE = (
    ("llama", "fp16", "cpu"),
    ("llama", "bf16", "cuda"),
    ("llama", "fp16", "webgpu"),
    ("qwen2", "int4", "dml"),
    ("qwen3", "int4", "webgpu"),
    ("phi3-longrope", "int4", "dml"),
)


def write_model(name: str, folder: Path, tokenizer: Path) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if weight.dim() == 1:
                weight.add_(0.1 * torch.randn_like(weight))
            else:
                weight.copy_(torch.randn_like(weight) * (1 if "embed_tokens" in key else 1.5 / weight.shape[-1] ** 0.5))
    model.save_pretrained(folder)
    if name == "gptoss":
        write_mxfp4(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(tokenizer / file, folder / file)


def write_mxfp4(folder: Path) -> None:
    """Experts in MXFP4, as which alone the builder reads gpt-oss."""
    from safetensors.torch import load_file, save_file

    tensors: dict[str, torch.Tensor] = {}
    for name, weights in load_file(folder / "model.safetensors").items():
        if name.endswith(("gate_up_proj", "down_proj")):
            experts, columns, rows = weights.shape
            shape = (experts, rows, columns // 32)
            tensors[f"{name}_blocks"] = torch.randint(0, 256, (*shape, 16), dtype=torch.uint8)
            tensors[f"{name}_scales"] = torch.full(shape, 123, dtype=torch.uint8)
        else:
            tensors[name] = weights
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": []}
    file.write_text(json.dumps(config))


def read_details(*arguments: Any, read: Callable[..., Any] = builder.get_hf_details) -> Any:
    """Gemma 3's rotations in the form that the builder reads, which is not that of transformers 5."""
    details = read(*arguments)
    config = details["hf_config"]
    if config.architectures[0].startswith("Gemma3"):
        local, whole = (config.rope_parameters[f"{kind}_attention"]["rope_theta"] for kind in ("sliding", "full"))
        config.rope_local_base_freq, config.rope_theta = local, whole
        config.rope_parameters = {"rope_type": "default", "rope_theta": whole}
    return details


def build(source: Path, target: Path, precision: str, provider: str) -> None:
    place = [str(source), str(source), str(target), precision, provider, str(target.parent / "cache")]
    builder.create_model(*place, **builder.parse_extra_options(*place, []))


def main(root: Path) -> None:
    logging.disable(logging.INFO)
    builder.get_hf_details = read_details
    for name, *options in [*((name, *options) for name in MODELS for options in OPTIONS), *MORE]:
        source, target = root / "models" / name, root / "-".join((name, *options))
        failure = None
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                if not source.exists():
                    write_model(name, source, root / "tokenizer")
                build(source, target, *options)
            except Exception as error:  # what fails is part of what is asked
                failure = f"{type(error).__name__}: {error}"
        print(json.dumps({"name": target.name, "failure": failure}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
