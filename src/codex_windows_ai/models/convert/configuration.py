"""The small files of a model folder: `genai_config.json`, the tokenizer's, the chat template.

Format: https://onnxruntime.ai/docs/genai/reference/config.html.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_windows_ai.models import folder
from codex_windows_ai.models.blocks.attention import ATTENTION_MASK, PAST_KEY, PAST_VALUE, PRESENT_KEY, PRESENT_VALUE
from codex_windows_ai.models.blocks.embedding import INPUT_IDS, LOGITS

if TYPE_CHECKING:
    from codex_windows_ai.models.spec import DecoderSpec
    from codex_windows_ai.models.tokenizers.tokenizer_files import TokenizerFiles

MODEL = "model.onnx"


def write_configuration(target: Path, spec: DecoderSpec, tokenizer: TokenizerFiles) -> None:
    """Writes everything but the graphs and their weights into the folder `target`."""
    _write_json(target / folder.TOKENIZER, tokenizer.tokenizer, indent=None)  # of many lines, and slow with them
    _write_json(target / folder.TOKENIZER_CONFIGURATION, tokenizer.configuration)
    if tokenizer.chat_template is not None:
        (target / folder.CHAT_TEMPLATE).write_text(tokenizer.chat_template, encoding="utf-8", newline="")
    _write_json(target / folder.CONFIGURATION, genai_config(spec, tokenizer))


def _write_json(file: Path, value: dict[str, Any], *, indent: int | None = 1) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False, indent=indent), encoding="utf-8", newline="")


def genai_config(spec: DecoderSpec, tokenizer: TokenizerFiles) -> dict[str, Any]:
    """The folder's `genai_config.json`; its search section is plain greedy decoding.

    The format knows one shape of attention for all layers, for which that of the first layer that has it stands.
    """
    special, attention = tokenizer.special, spec.attentions[0]
    return {
        "model": {
            "bos_token_id": special.end[0] if special.bos is None else special.bos,
            "context_length": spec.context_length,
            "decoder": {
                "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
                "filename": MODEL,
                "head_size": attention.head_size,
                "hidden_size": spec.hidden_size,
                "inputs": {
                    "input_ids": INPUT_IDS,
                    "attention_mask": ATTENTION_MASK,
                    "past_key_names": PAST_KEY,
                    "past_value_names": PAST_VALUE,
                },
                "outputs": {
                    "logits": LOGITS,
                    "present_key_names": PRESENT_KEY,
                    "present_value_names": PRESENT_VALUE,
                },
                "num_attention_heads": attention.heads,
                "num_hidden_layers": len(spec.layers),
                "num_key_value_heads": attention.kv_heads,
            },
            "eos_token_id": list(special.end),
            "pad_token_id": special.padding,
            "type": spec.family,
            "vocab_size": spec.vocabulary_size,
        },
        "search": {
            "do_sample": False,
            "max_length": spec.context_length,
            "min_length": 0,
            "num_beams": 1,
            "num_return_sequences": 1,
            "past_present_share_buffer": True,
            "repetition_penalty": 1.0,
            "temperature": 1.0,
            "top_k": 1,
            "top_p": 1.0,
        },
    }
