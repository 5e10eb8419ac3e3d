"""Tiny GGUF files with random weights, written by the `gguf` package's own writer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind

CONTROL, NORMAL, USER_DEFINED = 3, 1, 4
MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "l d", "Ġwor ld", "1 2"]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CONVOLUTIONS = ("ssm_conv1d.weight", "shortconv.conv.weight")
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes, in byte order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


@dataclass
class Tiny:
    """What is written; every field may be changed before `write`."""

    architecture: str = "llama"
    kind: Kind = Kind.F32
    tied: bool = True
    bias: bool = False
    """Queries, keys and values have a bias."""
    biases: tuple[str, ...] = ()
    """More tensors that have a bias, without `blk.N.`."""
    head_norms: bool = False
    post_norms: bool = False
    fused: bool = False
    """Queries, keys and values are one tensor, and so are gate and up."""
    hidden: int = 64
    feed_forward: int = 96
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    head_size: int = 16
    context: int = 64
    tokenizer: str = "gpt2"
    pre: str | None = "smollm"
    rope_factors: tuple[str, ...] = ()
    experts: int = 0
    """In place of an MLP, of which `used` read a token; of the width `feed_forward`."""
    used: int = 2
    expert_kind: Kind | None = None
    """None: as all others."""
    fuses_experts: bool = False
    """Gates and ups of an expert are one tensor."""
    sinks: bool = False
    turned: int = 0
    """Elements of a head that are turned; 0: all."""
    renamed: dict[str, str] | None = None
    """Tensors of layers by other names, without `blk.N.` and `.weight`."""
    left_out: str = ""
    misshapen: str = ""
    user_defined: tuple[str, ...] = ()
    extra: dict[str, Any] | None = None
    """Further metadata; a key that begins with a dot is the architecture's."""
    more: dict[str, tuple[int, ...]] | None = None
    """Further tensors, or others in place of those that there are, by their shapes."""
    changed: dict[str, tuple[Any, gguf.GGUFValueType]] | None = None
    """Values in place of those that the writer has, with their types."""

    def vocabulary(self) -> list[str]:
        return [*SPECIAL, *byte_alphabet(), *(merge.replace(" ", "") for merge in MERGES), *self.user_defined]

    def write(self, path: Path) -> Path:
        writer = gguf.GGUFWriter(path, self.architecture)
        self.write_metadata(writer)
        random = np.random.default_rng(7)
        values: dict[str, np.ndarray] = {}
        for name, shape in self.shapes().items():
            if name == self.left_out:
                continue
            wanted = (shape[0] + 32, *shape[1:]) if name == self.misshapen else shape
            values[name] = self._values(random, name, wanted)
        for layer in range(self.layers) if self.fuses_experts else ():
            both = [values.pop(f"blk.{layer}.ffn_{part}_exps.weight") for part in ("gate", "up")]
            values[f"blk.{layer}.ffn_gate_up_exps.weight"] = np.concatenate(both, axis=1)
        for name, array in values.items():
            self._add(writer, name, array)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def write_metadata(self, writer: gguf.GGUFWriter) -> None:
        writer.add_block_count(self.layers)
        writer.add_context_length(self.context)
        writer.add_embedding_length(self.hidden)
        writer.add_feed_forward_length(self.feed_forward)
        writer.add_head_count(self.heads)
        writer.add_head_count_kv(self.kv_heads)
        writer.add_key_length(self.head_size)
        writer.add_value_length(self.head_size)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_rope_freq_base(10000.0)
        writer.add_tokenizer_model(self.tokenizer)
        if self.pre:
            writer.add_tokenizer_pre(self.pre)
        tokens = self.vocabulary()
        writer.add_token_list(tokens)
        kinds = [CONTROL if token in SPECIAL else NORMAL for token in tokens]
        writer.add_token_types(
            [USER_DEFINED if t in self.user_defined else k for t, k in zip(tokens, kinds, strict=True)]
        )
        writer.add_token_merges(MERGES)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_pad_token_id(2)
        writer.add_chat_template(TEMPLATE)
        adders = {
            bool: writer.add_bool,
            int: writer.add_uint32,
            str: writer.add_string,
            float: writer.add_float32,
            list: writer.add_array,
        }
        if self.experts:
            writer.add_expert_count(self.experts)
            writer.add_expert_used_count(self.used)
            writer.add_expert_feed_forward_length(self.feed_forward)
        if self.turned:
            writer.add_rope_dimension_count(self.turned)
        for key, value in (self.extra or {}).items():
            adders[type(value)](f"{self.architecture}{key}" if key.startswith(".") else key, value)
        for key, (value, kind) in (self.changed or {}).items():
            writer.kv_data[0][key] = gguf.GGUFValue(value, kind)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        query, key = self.heads * self.head_size, self.kv_heads * self.head_size
        vocabulary = len(self.vocabulary())
        shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (vocabulary, self.hidden)}
        shapes["output_norm.weight"] = (self.hidden,)
        if not self.tied:
            shapes["output.weight"] = (vocabulary, self.hidden)
        for name in self.rope_factors:
            shapes[f"{name}.weight"] = ((self.turned or self.head_size) // 2,)
        renamed = {f"{name}.weight": f"{other}.weight" for name, other in (self.renamed or {}).items()}
        for layer in range(self.layers):
            for name, shape in self._layer_shapes(query, key).items():
                shapes[f"blk.{layer}.{renamed.get(name, name)}"] = shape
        return shapes | (self.more or {})

    def _layer_shapes(self, query: int, key: int) -> dict[str, tuple[int, ...]]:
        hidden, width = self.hidden, self.feed_forward
        rows = {"attn_q": query, "attn_k": key, "attn_v": key, "ffn_gate": width, "ffn_up": width}
        if self.fused:
            rows = {"attn_qkv": query + 2 * key, "ffn_up": 2 * width}
        shapes = {f"{name}.weight": (count, hidden) for name, count in rows.items()}
        shapes |= {"attn_output.weight": (hidden, query), "ffn_down.weight": (hidden, width)}
        if self.experts:
            shapes = {name: shape for name, shape in shapes.items() if "ffn" not in name}
            shapes |= {f"ffn_{part}_exps.weight": (self.experts, width, hidden) for part in ("gate", "up")}
            shapes |= {"ffn_down_exps.weight": (self.experts, hidden, width)}
            shapes |= {"ffn_gate_inp.weight": (self.experts, hidden)}
        norms = ["attn_norm", "ffn_norm"] + (["post_attention_norm", "post_ffw_norm"] if self.post_norms else [])
        shapes |= {f"{name}.weight": (hidden,) for name in norms}
        if self.head_norms:
            shapes |= {f"attn_{part}_norm.weight": (self.head_size,) for part in "qk"}
        if self.sinks:
            shapes["attn_sinks.weight"] = (self.heads,)
        biased = (*(("attn_q", "attn_k", "attn_v") if self.bias else ()), *self.biases)
        return shapes | {f"{name}.bias": _bias_shape(shapes[f"{name}.weight"]) for name in biased}

    def _values(self, random: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if "norm" in name or name.startswith("rope"):
            return random.uniform(0.5, 2.0, shape).astype(np.float32)
        if name.endswith("ssm_a"):
            return -random.uniform(0.05, 1.0, shape).astype(np.float32)
        if name.endswith(CONVOLUTIONS):
            return random.normal(0, 0.5, shape).astype(np.float32)
        if len(shape) == 1:
            return random.normal(0, 0.5, shape).astype(np.float32)
        # Queries and keys are large, so that attention is far from uniform and a wrong rotation shows.
        scale = 0.15 if ".attn_q." in name or ".attn_k." in name else 0.1
        # So is the router, so that no two experts are about equally good.
        scale = 0.5 if ".ffn_gate_inp." in name else scale
        return random.normal(0, scale, shape).astype(np.float32)

    def _add(self, writer: gguf.GGUFWriter, name: str, values: np.ndarray) -> None:
        kind = (self.expert_kind or self.kind) if name.endswith("_exps.weight") else self.kind
        in_floats = name.endswith((".bias", *CONVOLUTIONS)) or "ffn_gate_inp" in name
        if values.ndim == 1 or kind is Kind.F32 or in_floats:
            writer.add_tensor(name, values)
        elif kind is Kind.F16:
            writer.add_tensor(name, values.astype(np.float16))
        elif kind is Kind.Q6_K:
            writer.add_tensor(name, _random_q6_k(values.shape), raw_dtype=kind)
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)


def _bias_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-1] or shape


def _random_q6_k(shape: tuple[int, ...]) -> np.ndarray:
    """Blocks of 256 values in 210 bytes: random codes, small random scales (the writer cannot quantise this type)."""
    random = np.random.default_rng(11)
    rows, blocks = int(np.prod(shape[:-1])), shape[-1] // 256
    raw = random.integers(0, 256, (rows, blocks, 210), dtype=np.uint8)
    raw[..., 192:208] = random.integers(1, 40, (rows, blocks, 16), dtype=np.uint8)
    raw[..., 208:] = np.array([2e-4], np.float16).view(np.uint8)
    return raw.reshape(*shape[:-1], -1)


MIXTURE = Tiny(architecture="qwen3moe", pre="qwen2", head_norms=True, head_size=32, experts=8, used=3)
CLAMPED_MIXTURE = Tiny(
    architecture="gpt-oss",
    pre="gpt-4o",
    tied=False,
    head_size=32,
    layers=3,
    experts=8,
    sinks=True,
    renamed={"ffn_norm": "post_attention_norm"},
    biases=(
        *(f"attn_{part}" for part in ("q", "k", "v", "output")),
        *(f"ffn_{part}" for part in ("gate_inp", "gate_exps", "up_exps", "down_exps")),
    ),
    extra={
        ".attention.sliding_window": 8,
        ".rope.scaling.type": "yarn",
        ".rope.scaling.factor": 8.0,
        ".rope.scaling.original_context_length": 8,
        ".rope.scaling.yarn_beta_fast": 0.5,
        ".rope.scaling.yarn_beta_slow": 0.05,
    },
)
