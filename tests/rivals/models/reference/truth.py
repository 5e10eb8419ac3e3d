"""float32 arithmetic of transformers on the weights that a GGUF file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import transformers

# llama.cpp turns neighbours in a head where transformers turns halves, so its converter puts query and key rows in
# another order, of these architectures.
_REORDERED = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Ministral3ForCausalLM",
    "GraniteForCausalLM",
    "SmolLM3ForCausalLM",
)
_QUERY, _KEY = "self_attn.q_proj.", "self_attn.k_proj."


def logits(folder: Path, file: Path | None, tokens: np.ndarray) -> np.ndarray:
    """Of the model in `folder`, [texts, positions, vocabulary]; with the weights of `file`, or its own."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    if file is not None:
        put_weights(model, file)
    with torch.inference_mode():
        return model.eval()(torch.from_numpy(tokens), use_cache=False).logits.numpy()


def differences(folder: Path, file: Path) -> dict[str, float]:
    """Of each parameter of the model in `folder`: how far the file's value is from it at most, of its largest."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    put_weights(model, file)
    return {
        name: float((parameter.detach() - before[name]).abs().max() / before[name].abs().max())
        for name, parameter in model.named_parameters()
    }


def put_weights(model: torch.nn.Module, file: Path) -> None:
    """Puts the dequantised weights of a GGUF file in the place of the model's. Raises ValueError: one has no place."""
    reader = gguf.GGUFReader(file)
    tensors = {tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    architecture = str(reader.fields["general.architecture"].contents())
    layers = model.config.num_hidden_layers
    kind = next(number for number, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(kind, layers)
    _put_experts(model, tensors)
    with torch.no_grad():
        scalars = [each for each in model.named_buffers() if each[0].endswith("layer_scalar")]
        for name, parameter in [*model.named_parameters(), *((f"{name}.weight", value) for name, value in scalars)]:
            if ".mlp.experts." in name:
                continue
            known = f"{name}.weight" if name.endswith("sinks") else name.replace(".dt_bias", ".dt_proj.bias")
            stored = names.get_name(known, try_suffixes=(".weight", ".bias"))
            if stored not in tensors:
                raise ValueError(f"{file} has no {name} ({stored})")
            values = torch.from_numpy(np.array(tensors.pop(stored), np.float32)).reshape(parameter.shape)
            parameter.copy_(_as_trained(model, name, values))
    if left := [name for name in tensors if not name.startswith("rope_")]:
        raise ValueError(f"{file} has {left}, which transformers' model has not")


def _put_experts(model: torch.nn.Module, tensors: dict[str, np.ndarray]) -> None:
    """Takes the experts out of `tensors`, in which gates and ups are apart: [experts, rows, columns].

    transformers has them one behind the other, or of gpt-oss in turns and with columns first.
    """
    in_turns = type(model).__name__.startswith("GptOss")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".mlp.experts." not in name:
                continue
            block, kind = f"blk.{name.split('.')[2]}", "bias" if name.endswith("_bias") else "weight"
            parts = ("gate", "up") if "gate_up" in name else ("down",)
            found = [
                torch.from_numpy(np.array(tensors.pop(f"{block}.ffn_{part}_exps.{kind}"), np.float32)) for part in parts
            ]
            values = torch.stack(found, dim=2).flatten(1, 2) if in_turns and len(found) > 1 else torch.cat(found, dim=1)
            parameter.copy_(values.transpose(1, 2) if in_turns and kind == "weight" else values)


def _as_trained(model: torch.nn.Module, name: str, values: torch.Tensor) -> torch.Tensor:
    """Undoes what the converter did."""
    architecture = type(model).__name__
    if architecture in _REORDERED and (_QUERY in name or _KEY in name):
        heads = model.config.num_attention_heads if _QUERY in name else model.config.num_key_value_heads
        size = values.shape[0] // heads
        return values.reshape(heads, size // 2, 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
    if architecture.startswith("Qwen3_5") and "linear_attn" in name:
        return _in_groups(model.config, name, values)
    if architecture.startswith(("Gemma3", "Qwen3_5")) and name.endswith("norm.weight"):
        return values - 1
    return values


def _in_groups(config: Any, name: str, values: torch.Tensor) -> torch.Tensor:
    """Of a gated delta net: value heads that read one key head stand together again, which took turns in the file."""
    keys = 2 * config.linear_num_key_heads * config.linear_key_head_dim
    part = name.split("linear_attn.")[1]
    if part == "norm.weight":
        return values
    if part == "A_log":
        values = torch.log(-values)
    first = keys if part in ("in_proj_qkv.weight", "conv1d.weight") else 0
    size = 1 if part in ("A_log", "dt_bias", "in_proj_a.weight", "in_proj_b.weight") else config.linear_value_head_dim
    share = config.linear_num_value_heads // config.linear_num_key_heads
    if part == "out_proj.weight":
        return _in_groups_first(values.T, share, size).T
    return torch.cat([values[:first], _in_groups_first(values[first:], share, size)])


def _in_groups_first(values: torch.Tensor, share: int, size: int) -> torch.Tensor:
    """From [share, groups, size] to [groups, share, size], of the first axis."""
    return values.reshape(share, -1, size, *values.shape[1:]).swapaxes(0, 1).reshape(values.shape)
