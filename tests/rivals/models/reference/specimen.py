"""Makes a small model with random weights, and a tokenizer for it, as files that llama.cpp's converter takes."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SPECIAL = ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def make_specimen(recipe: dict[str, Any], corpus: str, texts: list[str], length: int, folder: Path) -> np.ndarray:
    """Writes model and tokenizer into `folder`; returns the first `length` tokens of each text, [texts, length]."""
    folder.mkdir(parents=True)
    kind = getattr(transformers, recipe["architecture"])
    configuration = kind.config_class(**recipe["configuration"])
    torch.manual_seed(0)
    model = kind(configuration).float()
    _draw(model, recipe)
    model.save_pretrained(folder)
    encode = {"sentencepiece": _sentencepiece, "merged": _merged}.get(recipe["tokenizer"], _byte_pairs)
    return np.array([ids[:length] for ids in encode(recipe["configuration"]["vocab_size"], corpus, texts, folder)])


def _draw(model: torch.nn.Module, recipe: dict[str, Any]) -> None:
    """Weights by name, so that one model's do not depend on another's order.

    Queries and keys are large: attention is far from uniform, and a wrong rotation shows. What the last norm multiplies
    with has random signs, or a model whose head is its embedding would only repeat what it reads.
    """
    zero_centred = recipe["architecture"].startswith(("Gemma3", "Qwen3_5"))  # whose norms multiply by 1 + w
    is_unscaled = "Gemma4" in recipe["architecture"]  # its scores, but by these norms
    with torch.no_grad():
        scalars = [each for each in model.named_buffers() if each[0].endswith("layer_scalar")]
        for name, parameter in [*model.named_parameters(), *scalars]:
            random = np.random.default_rng(zlib.crc32(name.encode()))
            values = _values(random, name, tuple(parameter.shape), recipe["head_deviation"])
            if is_unscaled and "q_norm" in name:
                values *= np.float32(0.3)
            parameter.copy_(torch.from_numpy(values))
            if zero_centred and "norm" in name and "linear_attn" not in name:
                parameter -= 1


def _values(random: np.random.Generator, name: str, shape: tuple[int, ...], head_deviation: float) -> np.ndarray:
    if "norm" in name:
        values = random.uniform(0.5, 2.0, shape)
        if name in ("model.norm.weight", "model.embedding_norm.weight"):
            values *= random.choice([-1.0, 1.0], shape)
    elif name.endswith("A_log"):
        values = random.uniform(-4, 0, shape)  # so that heads forget at different rates
    elif name.endswith("layer_scalar"):
        values = random.uniform(0.5, 1.5, shape)
    elif name.endswith("bias"):
        values = random.normal(0, 0.5, shape)
    elif "embed_tokens" in name or "lm_head" in name:
        values = random.normal(0, head_deviation, shape)
    else:
        large = any(part in name for part in ("q_proj", "k_proj", "qkv_proj"))
        chooses = any(part in name for part in ("mlp.router.", "mlp.gate."))  # so that few choices are close
        values = random.normal(0, (4.0 if chooses else 1.2 if large else 1.0) / shape[-1] ** 0.5, shape)
    return values.astype(np.float32)


def _byte_pairs(size: int, corpus: str, texts: list[str], folder: Path) -> list[list[int]]:
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(_GPT2), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([corpus], trainer)
    whole = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL[0],
        bos_token=SPECIAL[1],
        eos_token=SPECIAL[2],
        unk_token=SPECIAL[0],  # or one is added, which the embedding has no row for
        chat_template=TEMPLATE,
    )
    whole.save_pretrained(folder)
    _configure(folder, {"tokenizer_class": "GPT2Tokenizer"})  # what Phi's converter looks for
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def _merged(size: int, corpus: str, texts: list[str], folder: Path) -> list[list[int]]:
    """SentencePiece's form with a list of merges, as Gemma 4 has it."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", behavior="merged_with_next")
    special = [*SPECIAL, "<unk>"]
    names = [*special, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=names, show_progress=False)
    tokenizer.train_from_iterator([corpus], trainer)
    values = json.loads(tokenizer.to_str())
    values["added_tokens"] = [added for added in values["added_tokens"] if added["content"] in special]
    decoder = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer = Tokenizer.from_str(json.dumps(values))
    tokenizer.decoder = decoders.Sequence(decoder)
    whole = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL[0],
        bos_token=SPECIAL[1],
        eos_token=SPECIAL[2],
        unk_token="<unk>",
        chat_template=TEMPLATE,
    )
    whole.save_pretrained(folder)
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def _sentencepiece(size: int, corpus: str, texts: list[str], folder: Path) -> list[list[int]]:
    import sentencepiece

    text = folder / "corpus.txt"
    text.write_text(corpus, encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=size,
        byte_fallback=True,
        character_coverage=0.9995,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=5,
        control_symbols=SPECIAL[3:],
        minloglevel=2,
    )
    text.unlink()
    added = {str(number): {"content": token, "special": True} for number, token in enumerate(SPECIAL)}
    _configure(folder, {"tokenizer_class": "LlamaTokenizer", "chat_template": TEMPLATE, "added_tokens_decoder": added})
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    return processor.encode(texts)


def _configure(folder: Path, values: dict[str, Any]) -> None:
    file = folder / "tokenizer_config.json"
    present = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.write_text(json.dumps(present | values, indent=1), encoding="utf-8")
