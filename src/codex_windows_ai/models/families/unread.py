"""Refuses a file with something that nobody reads, by name: a wrong answer is worse than none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from codex_windows_ai.errors import UnsupportedModelError
from codex_windows_ai.models.contents import shown

if TYPE_CHECKING:
    from codex_windows_ai.models.blocks.decoder import Decoder
    from codex_windows_ai.models.gguf.file import MetadataValue
    from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters

_NONE, _PLAIN, _YES = (0,), (0, 1), (1,)
_SOFTMAX = (0, 1, 3)  # of all experts, of which the chosen ones' shares are made 1 again, or of those at once
_CHANGES_ARITHMETIC: Mapping[str, tuple[int, ...]] = {
    "expert_count": _NONE,
    "expert_shared_count": _NONE,
    "expert_gating_func": _SOFTMAX,
    "expert_group_count": _PLAIN,
    "expert_group_used_count": _PLAIN,
    "expert_weights_scale": _PLAIN,
    "leading_dense_block_count": _NONE,
    "interleave_moe_layer_step": _PLAIN,
    "moe_every_n_layers": _PLAIN,
    "adapters.count": _NONE,
    "embedding_length_per_layer_input": _NONE,
    "full_attention_interval": _PLAIN,
    "num_loops": _PLAIN,
    "pooling_type": _NONE,
    "use_parallel_residual": _NONE,
    "swin_norm": _NONE,
    "attention.causal": _YES,
    "attention.clamp_kqv": _NONE,
    "attention.max_alibi_bias": _NONE,
    "attention.recurrent_layers": _NONE,
    "attention.rope_pattern": _YES,
    "attention.shared_kv_layers": _NONE,
    "attention.sliding_window": _NONE,
    "attention.scale": _NONE,
    "attention.output_scale": _PLAIN,
    "attention.value_scale": _PLAIN,
    "attention.temperature_scale": _NONE,
    "attention.key_length_swa": _NONE,
    "attention.value_length_swa": _NONE,
    "attention.key_length_mla": _NONE,
    "attention.value_length_mla": _NONE,
    "attn_logit_softcapping": _NONE,
    "final_logit_softcapping": _NONE,
    "router_logit_softcapping": _NONE,
    "embedding_scale": _PLAIN,
    "residual_scale": _PLAIN,
    "logit_scale": _PLAIN,
    "swiglu_clamp_exp": _NONE,
    "swiglu_clamp_shexp": _NONE,
    "rope.dimension_count_swa": _NONE,
    "rope.scaling.alpha": _NONE,
    "rope.scaling.yarn_ext_factor": _YES,
    "ssm.conv_kernel": _NONE,
}
"""Keys by which llama.cpp (src/llama-arch.cpp) computes otherwise, each with the values that change nothing."""

_RANKS = re.compile(r"attention\..*lora_rank")
_MOST_NAMED = 3


def refuse_unread(metadata: Hyperparameters, decoder: Decoder, hint: str) -> None:
    """Raises UnsupportedModelError: a key or a tensor that changes what a model computes was not read."""
    _refuse_keys(metadata, hint)
    _refuse_tensors(metadata, decoder, hint)


def _refuse_keys(metadata: Hyperparameters, hint: str) -> None:
    file = metadata.file
    prefix = f"{file.architecture}."
    for key, value in file.metadata.items():
        name = key.removeprefix(prefix)
        harmless = _NONE if _RANKS.fullmatch(name) else _CHANGES_ARITHMETIC.get(name)
        if key == name or name in metadata.asked or harmless is None or _is(value, harmless):
            continue
        raise UnsupportedModelError(
            f"{file.path} has {shown(key)} {shown(str(value))}; such models are not supported.", hint=hint
        )


def _is(value: MetadataValue, harmless: tuple[int, ...]) -> bool:
    """Whether a value, or each of a list, is one of these."""
    return all(item in harmless for item in (value if isinstance(value, list) else [value]))


def _refuse_tensors(metadata: Hyperparameters, decoder: Decoder, hint: str) -> None:
    file, layers = metadata.file, len(decoder.layers)
    read = set(metadata.asked)
    for weight in (*decoder.vectors, *decoder.matrices):
        read.add(metadata.layout.place(weight.part, weight.layer, file.tensors).tensor)
    for experts in decoder.experts:
        for part in (*experts.members, *(f"{member}.bias" for member in experts.members if experts.biased)):
            read.add(metadata.layout.place(part, experts.layer, file.tensors).tensor)
    drafts = tuple(f"blk.{number}." for number in range(layers, metadata.size("block_count")))
    unread = [name for name in file.tensors if name not in read and not name.startswith(drafts)]
    if unread:
        names = ", ".join(shown(name) for name in unread[:_MOST_NAMED])
        more = f" and {len(unread) - _MOST_NAMED} more" if len(unread) > _MOST_NAMED else ""
        raise UnsupportedModelError(
            f"{file.path} has tensors that nothing here reads: {names}{more}; without them its answers would be wrong.",
            hint=hint,
        )
