"""The small models that are compared: what transformers is told of each, and how its text is cut.

Three to seven layers of 256 (K-quants take rows of multiples of 256), heads of 64, 2,048 tokens. Every number that a
family can set differs from its default, so that one which nobody reads shows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

QUANTISATIONS = ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "IQ4_XS")
FEW = ("F16", "Q4_K_M")
"""For a variant of a family: a feature does not depend on how weights are rounded."""

SENTENCEPIECE = "sentencepiece"
MERGED = "merged"
VOCABULARY = 2048


@dataclass(frozen=True)
class Specimen:
    """One model with random weights."""

    name: str
    architecture: str
    """Class of transformers."""
    tokenizer: str
    """The pre-tokenizer, as GGUF files name it, or SENTENCEPIECE, or MERGED: the same form with merges."""
    configuration: dict[str, Any]
    """What differs from `COMMON`, as the class' configuration names it."""
    quantisations: tuple[str, ...] = QUANTISATIONS
    head_deviation: float = 0.1
    """Of the embedding and the head; such that logits have a deviation of about 2."""

    def recipe(self) -> dict[str, Any]:
        """All that the reference needs to make it, as JSON."""
        values = asdict(self)
        values["configuration"] = COMMON | self.configuration
        return values


COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def _rope(base: float) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": base}


_LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
_YARN = {
    "rope_type": "yarn",
    "rope_theta": 1000000.0,
    "factor": 8.0,
    "original_max_position_embeddings": 64,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
}
_QWEN35 = {
    "head_dim": 64,
    "num_hidden_layers": 5,
    "layer_types": ["linear_attention", "linear_attention", "full_attention", "linear_attention", "full_attention"],
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 64,
    "linear_value_head_dim": 64,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 1e6,
        "partial_rotary_factor": 0.5,
        "mrope_section": [6, 5, 5],
    },
}
_GEMMA4_ROPES = {
    "sliding_attention": _rope(5000.0),
    "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 100000.0},
}
_LONGROPE_COUNT = 24  # of a head's 64 elements three quarters turn, two at a time

SPECIMENS = (
    Specimen(
        "llama", "LlamaForCausalLM", "llama-bpe", {"rope_parameters": {"rope_type": "default", "rope_theta": 50000.0}}
    ),
    Specimen(
        "llama-3",
        "LlamaForCausalLM",
        "llama-bpe",
        {"tie_word_embeddings": True, "rope_parameters": _LLAMA3_ROPE},
        FEW,
    ),
    Specimen("llama-biases", "LlamaForCausalLM", "smollm", {"attention_bias": True, "mlp_bias": True}, FEW),
    Specimen(
        "llama-wide-heads",
        "LlamaForCausalLM",
        SENTENCEPIECE,
        {
            "head_dim": 128,
            "num_key_value_heads": 4,
            "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
        },
        FEW,
    ),
    Specimen("qwen2", "Qwen2ForCausalLM", "qwen2", {"rope_parameters": _rope(1e6)}),
    Specimen("qwen2-tied", "Qwen2ForCausalLM", "qwen2", {"tie_word_embeddings": True, "num_key_value_heads": 1}, FEW),
    Specimen(
        "qwen3",
        "Qwen3ForCausalLM",
        "qwen2",
        {
            "head_dim": 64,
            "num_attention_heads": 8,
            "tie_word_embeddings": True,
            "rope_parameters": _rope(1e6),
        },
    ),
    Specimen(
        "qwen3-yarn",
        "Qwen3ForCausalLM",
        "qwen2",
        {"head_dim": 128, "num_attention_heads": 2, "rope_parameters": _YARN},
        FEW,
    ),
    Specimen(
        "qwen35",
        "Qwen3_5ForCausalLM",
        "qwen35",
        _QWEN35 | {"linear_num_value_heads": 4},
    ),
    Specimen(
        "qwen35-untiled",
        "Qwen3_5ForCausalLM",
        "qwen35",
        _QWEN35 | {"linear_num_value_heads": 2, "tie_word_embeddings": True},
        FEW,
    ),
    Specimen(
        "qwen35moe",
        "Qwen3_5MoeForCausalLM",
        "qwen35",
        _QWEN35
        | {
            "linear_num_value_heads": 4,
            "num_experts": 8,
            "num_experts_per_tok": 3,
            "moe_intermediate_size": 256,
            "shared_expert_intermediate_size": 256,
        },
        ("F16", "Q8_0", "Q4_0", "Q4_K_M"),
    ),
    Specimen(
        "qwen3moe",
        "Qwen3MoeForCausalLM",
        "qwen2",
        {
            "head_dim": 64,
            "num_attention_heads": 8,
            "num_experts": 8,
            "num_experts_per_tok": 3,
            "moe_intermediate_size": 256,
            "norm_topk_prob": True,
            "rope_parameters": _rope(1e6),
        },
        ("F16", "Q8_0", "Q4_0", "Q4_K_M"),
    ),
    Specimen(
        "gpt-oss",
        "GptOssForCausalLM",
        "gpt-4o",
        {
            "head_dim": 64,
            "num_attention_heads": 8,
            "num_hidden_layers": 4,  # in turns with a window and without
            "sliding_window": 24,
            "num_local_experts": 8,
            "num_experts_per_tok": 2,
            "rope_parameters": _YARN | {"rope_theta": 150000.0, "truncate": False},
        },
        ("F16", "Q8_0", "MXFP4_MOE", "Q4_K_M"),
    ),
    Specimen(
        "gemma3",
        "Gemma3ForCausalLM",
        SENTENCEPIECE,
        {
            "head_dim": 64,
            "num_hidden_layers": 7,  # each sixth reads everything, the others the last 24
            "sliding_window": 24,
            "query_pre_attn_scalar": 64,
            "tie_word_embeddings": True,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
                "sliding_attention": _rope(10000.0),
            },
        },
    ),
    Specimen(
        "gemma3-capped",
        "Gemma3ForCausalLM",
        SENTENCEPIECE,
        {
            "head_dim": 64,
            "num_hidden_layers": 6,
            "sliding_window": 100,
            "query_pre_attn_scalar": 64,
            "tie_word_embeddings": True,
            "final_logit_softcapping": 5.0,
        },
        FEW,
    ),
    Specimen(
        "gemma4-small",  # as E2B: inputs of layers, and layers that read others' keys and values
        "Gemma4ForCausalLM",
        MERGED,
        {
            "head_dim": 64,
            "global_head_dim": 128,
            "num_hidden_layers": 8,
            "layer_types": ["sliding_attention", "sliding_attention", "sliding_attention", "full_attention"] * 2,
            "sliding_window": 24,
            "num_kv_shared_layers": 4,
            "use_double_wide_mlp": True,
            "hidden_size_per_layer_input": 256,
            "vocab_size_per_layer_input": VOCABULARY,
            "final_logit_softcapping": 20.0,
            "tie_word_embeddings": True,
            "rope_parameters": _GEMMA4_ROPES,
        },
    ),
    Specimen(
        "gemma4-large",  # as 31B: fewer key/value heads where there is no window, whose keys are the values
        "Gemma4ForCausalLM",
        MERGED,
        {
            "head_dim": 64,
            "global_head_dim": 128,
            "num_global_key_value_heads": 1,
            "attention_k_eq_v": True,
            "num_hidden_layers": 6,
            "sliding_window": 24,
            "hidden_size_per_layer_input": 0,
            "final_logit_softcapping": 20.0,
            "tie_word_embeddings": True,
            "rope_parameters": _GEMMA4_ROPES,
        },
        FEW,
    ),
    Specimen(
        "mistral3",
        "Ministral3ForCausalLM",
        "tekken",
        {
            "head_dim": 64,
            "num_attention_heads": 8,
            "rope_parameters": _YARN
            | {"mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.3, "max_position_embeddings": 512},
        },
    ),
    Specimen(
        "phi3",
        "Phi3ForCausalLM",
        SENTENCEPIECE,
        {"num_key_value_heads": 4, "sliding_window": 400, "original_max_position_embeddings": 512},
    ),
    Specimen(
        "phi3-longrope",
        "Phi3ForCausalLM",
        "gpt-4o",
        {
            "tie_word_embeddings": True,
            "original_max_position_embeddings": 64,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 0.75,
                "original_max_position_embeddings": 64,
                "short_factor": [1.0 + 0.05 * n for n in range(_LONGROPE_COUNT)],
                "long_factor": [1.0 + 0.5 * n for n in range(_LONGROPE_COUNT)],
            },
        },
        FEW,
    ),
    Specimen(
        "granite",
        "GraniteForCausalLM",
        "refact",
        {
            "tie_word_embeddings": True,
            "embedding_multiplier": 3.0,
            "attention_multiplier": 0.1,
            "residual_multiplier": 0.7,
            "logits_scaling": 4.0,
        },
        head_deviation=0.4,
    ),
    Specimen(
        "lfm2",
        "Lfm2ForCausalLM",
        "lfm2",
        {
            "num_hidden_layers": 5,
            "layer_types": ["conv", "full_attention", "conv", "conv", "full_attention"],
            "conv_L_cache": 4,
            "block_auto_adjust_ff_dim": False,
            "norm_eps": 1e-6,
            "tie_word_embeddings": True,
            "rope_parameters": _rope(5e5),
        },
    ),
    Specimen(
        "smollm3",
        "SmolLM3ForCausalLM",
        "smaug-bpe",
        {
            "num_hidden_layers": 5,  # of which the fourth turns nothing
            "tie_word_embeddings": True,
            "rope_parameters": _rope(2e6),
        },
    ),
)

CASES = [(specimen, kind) for specimen in SPECIMENS for kind in specimen.quantisations]
