"""The naive oracle of the converter: a forward pass in numpy, straight from the GGUF file, in float32.

It follows llama.cpp's reading of the file (src/models, src/llama-context.cpp, ggml's `rope_yarn`) and shares no code
with the graph: of the decoder's spec it takes sizes alone. Slow, for tests and measurements.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from codex_windows_ai.models.families.registry import read_spec
from codex_windows_ai.models.spec import LinearAttentionSpec, ShortConvolutionSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from codex_windows_ai.models.gguf.file import GgufFile
    from codex_windows_ai.models.spec import AttentionSpec, DecoderSpec

    Array = NDArray[np.float32]

ROTATES_NEIGHBOURS = frozenset({"llama", "mistral3", "granite", "smollm3"})
"""Architectures whose query and key rows llama.cpp rotates as neighbours (`LLAMA_ROPE_TYPE_NORM` in its
src/llama-model.cpp); those of all others it rotates as halves. Not read from a family's layout, which it checks."""
ROTATES_HALVES = frozenset(
    {"qwen2", "qwen3", "qwen3moe", "qwen35", "qwen35moe", "lfm2", "gemma2", "gemma3", "gemma4", "phi3", "gpt-oss"}
)
GEMMA = frozenset({"gemma2", "gemma3", "gemma4"})


def forward(file: GgufFile, tokens: NDArray[np.int64]) -> Array:
    """Logits float32 [batch, sequence, vocabulary] of token ids [batch, sequence]."""
    spec = read_spec(file)
    hidden = final_states(file, spec, tokens, lambda name, values: None)
    logits = hidden @ _weight(file, "token_embd" if spec.tied_embeddings else "output").T
    if "output.bias" in file.tensors:
        logits += _weight(file, "output", "bias")[0]
    if file.architecture == "granite":
        logits /= np.float32(_number(file, "logit_scale", 1))
    return _soft_capped(logits, _number(file, "final_logit_softcapping", 30 if file.architecture == "gemma2" else 0))


def final_states(
    file: GgufFile, spec: DecoderSpec, tokens: NDArray[np.int64], observe: Callable[[str, Array], None]
) -> Array:
    """What the last norm hands to the output projection, float32 [batch, sequence, hidden_size].

    `observe` is shown the output of every norm that matrices read, with the norm's name in the file.
    """
    embedding = file.tensors["token_embd.weight"]
    known, places = np.unique(tokens, return_inverse=True)
    rows = np.concatenate([file.read_rows(embedding, token, token + 1) for token in known.tolist()])
    hidden: Array = rows[places.reshape(tokens.shape)]
    if file.architecture in GEMMA:
        hidden *= np.float32(math.sqrt(hidden.shape[-1]))
    hidden *= np.float32(_number(file, "embedding_scale", 1))
    residual_scale = np.float32(_number(file, "residual_scale", 1))
    layer_inputs = _layer_inputs(file, tokens, hidden)
    kept: dict[int, list[Array]] = {}
    for number, layer in enumerate(spec.layers):
        block = f"blk.{number}"
        normed = _norm(file, f"{block}.attn_norm", hidden)
        observe(f"{block}.attn_norm", normed)
        if isinstance(layer.attention, LinearAttentionSpec):
            attended = _delta_net(file, block, normed)
        elif isinstance(layer.attention, ShortConvolutionSpec):
            attended = _short_convolution(file, block, normed)
        else:
            attended = _attention(file, layer.attention, number, normed, kept)
        if file.architecture in GEMMA:
            attended = _norm(file, f"{block}.post_attention_norm", attended)
        hidden += residual_scale * attended
        name = f"{block}.post_attention_norm"
        if file.architecture not in ("gpt-oss", "qwen35", "qwen35moe"):
            name = f"{block}.ffn_norm"
        normed = _norm(file, name, hidden)
        observe(name, normed)
        mixed = f"{block}.ffn_gate_inp.weight" in file.tensors
        fed = _mixture(file, block, normed) if mixed else _mlp(file, block, normed)
        if file.architecture in GEMMA:
            fed = _norm(file, f"{block}.post_ffw_norm", fed)
        hidden += residual_scale * fed
        if layer_inputs is not None:
            weighed = _gelu(_product(file, f"{block}.inp_gate", hidden)) * layer_inputs[:, :, number]
            hidden += _norm(file, f"{block}.post_norm", _product(file, f"{block}.proj", weighed))
        if f"{block}.layer_output_scale.weight" in file.tensors:
            hidden *= _weight(file, f"{block}.layer_output_scale")[0, 0]
    last = "token_embd_norm" if file.architecture == "lfm2" else "output_norm"
    normed = _norm(file, last, hidden)
    observe(last, normed)
    return normed


def _number(file: GgufFile, key: str, default: float) -> float:
    value = file.metadata.get(f"{file.architecture}.{key}", default)
    assert isinstance(value, int | float)
    return value


def _weight(file: GgufFile, name: str, kind: str = "weight") -> Array:
    return file.read_rows(file.tensors[f"{name}.{kind}"])


def _product(file: GgufFile, name: str, values: Array) -> Array:
    product = values @ _weight(file, name).T
    return product + _weight(file, name, "bias")[0] if f"{name}.bias" in file.tensors else product


def _norm(file: GgufFile, name: str, values: Array) -> Array:
    """Root-mean-square norm (arXiv 1910.07467) over the last axis; without a name it has no weight."""
    mean_square = np.mean(np.square(values), axis=-1, keepdims=True, dtype=np.float32)
    scaled = values / np.sqrt(mean_square + np.float32(_number(file, "attention.layer_norm_rms_epsilon", 0)))
    return np.asarray(scaled, np.float32) * (_weight(file, name)[0] if name else np.float32(1))


def _layer_inputs(file: GgufFile, tokens: NDArray[np.int64], hidden: Array) -> Array | None:
    """What each token brings to each layer, [batch, sequence, layers, size], in a model with per-layer embeddings."""
    if "per_layer_token_embd.weight" not in file.tensors:
        return None
    shape = (*tokens.shape, int(_number(file, "block_count", 0)), -1)
    projected = _product(file, "per_layer_model_proj", hidden).reshape(shape)
    projected = _norm(file, "per_layer_proj_norm", projected / np.float32(math.sqrt(hidden.shape[-1])))
    own = _weight(file, "per_layer_token_embd")[tokens].reshape(shape)
    return (projected + own * np.float32(math.sqrt(own.shape[-1]))) / np.float32(math.sqrt(2))


def _soft_capped(values: Array, cap: float) -> Array:
    return np.asarray(cap * np.tanh(values / cap), np.float32) if cap else values


def _mlp(file: GgufFile, block: str, normed: Array) -> Array:
    if f"{block}.ffn_gate.weight" in file.tensors:
        gate, up = _product(file, f"{block}.ffn_gate", normed), _product(file, f"{block}.ffn_up", normed)
    else:
        gate, up = np.split(_product(file, f"{block}.ffn_up", normed), 2, axis=-1)
    active = _gelu(gate) if file.architecture in GEMMA else gate / (1 + np.exp(-gate))
    return _product(file, f"{block}.ffn_down", np.asarray(active * up, np.float32))


def _gelu(gate: Array) -> Array:
    """The approximation with tanh (arXiv 1606.08415)."""
    return gate / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (gate + 0.044715 * gate**3)))


def _mixture(file: GgufFile, block: str, normed: Array) -> Array:
    """Each token by the experts with the highest scores, which a softmax over these weighs."""
    scores, used = _product(file, f"{block}.ffn_gate_inp", normed), int(_number(file, "expert_used_count", 0))
    gates, ups, downs = (_experts(file, f"{block}.ffn_{part}_exps") for part in ("gate", "up", "down"))
    mixed = np.zeros_like(normed)
    for place in np.ndindex(normed.shape[:-1]):
        chosen = np.argsort(-scores[place], kind="stable")[:used]
        shares = np.exp(scores[place][chosen] - scores[place][chosen].max())
        for expert, share in zip(chosen, shares / shares.sum(), strict=True):
            gate, up = (weights[expert] @ normed[place] + bias[expert] for weights, bias in (gates, ups))
            if file.architecture == "gpt-oss":
                gate, up = np.minimum(gate, 7), np.clip(up, -7, 7)
                inner = gate / (1 + np.exp(-1.702 * gate)) * (up + 1)
            else:
                inner = gate / (1 + np.exp(-gate)) * up
            mixed[place] += share * (downs[0][expert] @ inner + downs[1][expert])
    if f"{block}.ffn_up_shexp.weight" not in file.tensors:
        return mixed
    gate, up = (_product(file, f"{block}.ffn_{part}_shexp", normed) for part in ("gate", "up"))
    shared = _product(file, f"{block}.ffn_down_shexp", gate / (1 + np.exp(-gate)) * up)
    return mixed + shared / (1 + np.exp(-_product(file, f"{block}.ffn_gate_inp_shexp", normed)))


def _experts(file: GgufFile, name: str) -> tuple[Array, Array]:
    """Weights [experts, rows, columns] and biases [experts, rows]."""
    weights = _weight(file, name).reshape(file.tensors[f"{name}.weight"].shape)
    biases = _weight(file, name, "bias") if f"{name}.bias" in file.tensors else np.zeros(weights.shape[:2], np.float32)
    return weights, biases


def _attention(file: GgufFile, spec: AttentionSpec, number: int, normed: Array, kept: dict[int, list[Array]]) -> Array:
    """Causal attention in which several query heads share a key/value head (arXiv 2305.13245).

    `kept` has the turned keys, and the values, of the layers before.
    """
    block, (batch, length, _) = f"blk.{number}", normed.shape
    if f"{block}.attn_qkv.weight" in file.tensors:
        ends = [spec.query_size, spec.query_size + spec.key_size]
        read = np.split(_product(file, f"{block}.attn_qkv", normed), ends, axis=-1)
    else:
        wanted = "qkv" if _source(file, number) == number else "q"
        named = [part if f"{block}.attn_{part}.weight" in file.tensors else "k" for part in wanted]
        read = [_product(file, f"{block}.attn_{part}", normed) for part in named]
    gate = np.float32(1)
    if file.architecture.startswith("qwen35"):
        read[0], closed = np.split(read[0].reshape(batch, length, spec.heads, -1), 2, axis=-1)
        gate = (1 / (1 + np.exp(-closed))).reshape(batch, length, -1)
    query, *own = (part.reshape(batch, length, -1, spec.head_size) for part in read)
    query = _turned(file, spec, number, "q", query) * _temperatures(file, length)
    if own:
        value = _norm(file, "", own[1]) if file.architecture == "gemma4" else own[1]
        kept[number] = [_turned(file, spec, number, "k", own[0]), value]
    key, value = kept[_source(file, number)]
    share = spec.heads // spec.kv_heads
    key, value = np.repeat(key, share, axis=2), np.repeat(value, share, axis=2)
    scores = np.einsum("bqhd,bkhd->bhqk", query, key)
    usual = 1.0 if file.architecture == "gemma4" else 1 / math.sqrt(spec.head_size)
    scores *= np.float32(_number(file, "attention.scale", 0) or usual)
    scores = _soft_capped(scores, _number(file, "attn_logit_softcapping", 50) if file.architecture == "gemma2" else 0)
    behind = np.arange(length)[:, None] - np.arange(length)
    scores = np.where((behind >= 0) & (behind < (_window(file, number) or length)), scores, -np.inf)
    if f"{block}.attn_sinks.weight" in file.tensors:
        sinks = np.broadcast_to(_weight(file, f"{block}.attn_sinks")[0][:, None, None], (*scores.shape[:3], 1))
        scores = np.concatenate([scores, sinks], axis=-1)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    weights = weights[..., :length]  # nothing is read of a sink
    context = np.einsum("bhqk,bkhd->bqhd", weights, value).reshape(batch, length, -1).astype(np.float32)
    return _product(file, f"{block}.attn_output", context * gate)


def _delta_net(file: GgufFile, block: str, normed: Array) -> Array:
    """The gated delta rule (arXiv 2412.06464), token by token; value head h has the key head h modulo their number."""
    heads, key_heads = int(_number(file, "ssm.time_step_rank", 0)), int(_number(file, "ssm.group_count", 0))
    size, (batch, length, _) = int(_number(file, "ssm.state_size", 0)), normed.shape
    mixed = _convolution(_product(file, f"{block}.attn_qkv", normed), _weight(file, f"{block}.ssm_conv1d"))
    mixed = mixed / (1 + np.exp(-mixed))
    query, key, value = np.split(mixed, [key_heads * size, 2 * key_heads * size], axis=-1)
    query, key = (_unit(part.reshape(batch, length, key_heads, size)) for part in (query, key))
    query, key = (np.tile(part, (1, 1, heads // key_heads, 1)) for part in (query / math.sqrt(size), key))
    value = value.reshape(batch, length, heads, -1)
    step = _product(file, f"{block}.ssm_alpha", normed) + _weight(file, f"{block}.ssm_dt", "bias")[0]
    keep = np.exp(file.read_rows(file.tensors[f"{block}.ssm_a"])[0] * np.log1p(np.exp(step)))
    take = 1 / (1 + np.exp(-_product(file, f"{block}.ssm_beta", normed)))
    state, context = np.zeros((batch, heads, size, value.shape[-1])), np.empty(value.shape, np.float32)
    for at in range(length):
        state *= keep[:, at, :, None, None]
        known = np.einsum("bhkv,bhk->bhv", state, key[:, at])
        news = (value[:, at] - known) * take[:, at, :, None]
        state += key[:, at, :, :, None] * news[:, :, None]
        context[:, at] = np.einsum("bhkv,bhk->bhv", state, query[:, at])
    gate = _product(file, f"{block}.attn_gate", normed)
    context = _norm(file, f"{block}.ssm_norm", context).reshape(gate.shape)
    return _product(file, f"{block}.ssm_out", np.asarray(context * gate / (1 + np.exp(-gate)), np.float32))


def _short_convolution(file: GgufFile, block: str, normed: Array) -> Array:
    before, after, value = np.split(_product(file, f"{block}.shortconv.in_proj", normed), 3, axis=-1)
    mixed = after * _convolution(before * value, _weight(file, f"{block}.shortconv.conv"))
    return _product(file, f"{block}.shortconv.out_proj", mixed)


def _convolution(values: Array, taps: Array) -> Array:
    """Each channel by itself over what came before; `taps` [channels, kernel] begin with that of the oldest."""
    batch, length, channels = values.shape
    seen = np.concatenate([np.zeros((batch, taps.shape[1] - 1, channels), np.float32), values], axis=1)
    return np.stack([(seen[:, at : at + taps.shape[1]] * taps.T).sum(axis=1) for at in range(length)], axis=1)


def _unit(values: Array) -> Array:
    return values / np.sqrt(np.square(values).sum(axis=-1, keepdims=True) + np.float32(1e-6))


def _window(file: GgufFile, number: int) -> int:
    """Tokens that a layer sees, or 0 for all."""
    pattern = file.metadata.get(f"{file.architecture}.attention.sliding_window_pattern")
    if isinstance(pattern, list):
        return int(_number(file, "attention.sliding_window", 0)) if pattern[number] else 0
    every = {"gemma2": 2, "gemma3": 6, "phi3": 0, "gpt-oss": 2}.get(file.architecture)
    if every is None:
        return 0
    every = int(_number(file, "attention.sliding_window_pattern", every))
    slides = every == 0 or number % every < every - 1
    return int(_number(file, "attention.sliding_window", 0)) if slides else 0


def _source(file: GgufFile, number: int) -> int:
    """The layer whose keys and values a layer reads (`reuse` in llama.cpp's src/llama-model.cpp)."""
    first = int(_number(file, "block_count", 0) - _number(file, "attention.shared_kv_layers", 0))
    return number if number < first else first - (2 if _window(file, number) else 1)


def _temperatures(file: GgufFile, length: int) -> Array:
    """What queries are multiplied by, [sequence, 1, 1]."""
    slope = _number(file, "attention.temperature_scale", 0)
    original = _number(file, "rope.scaling.original_context_length", _number(file, "context_length", 0))
    factors = slope * np.log(np.floor(np.arange(length) / original) + 1) + 1
    return factors.astype(np.float32)[:, None, None]


def _turned(file: GgufFile, spec: AttentionSpec, number: int, part: str, heads: Array) -> Array:
    """Queries (`part` q) or keys (k), normalised and turned."""
    if f"blk.{number}.attn_{part}_norm.weight" in file.tensors:
        heads = _norm(file, f"blk.{number}.attn_{part}_norm", heads)
    return _rotate(file, spec, number, heads)


def _rotate(file: GgufFile, spec: AttentionSpec, number: int, values: Array) -> Array:
    """Turns the pairs of each head's first elements by their positions' angles, in the complex plane."""
    if file.architecture == "smollm3" and (number + 1) % 4 == 0:
        return values
    if not file.metadata.get(f"{file.architecture}.rope.scaling.finetuned", True):
        return values
    turns, count = _turns(file, spec, number, values.shape[1]), values.shape[-1]
    if file.architecture in ROTATES_NEIGHBOURS | ROTATES_HALVES:
        count = int(_number(file, f"rope.dimension_count{_kind(file, number)}", count))
    turning, rest = values[..., :count], values[..., count:]
    if file.architecture in ROTATES_NEIGHBOURS:
        turned = (turning[..., 0::2] + 1j * turning[..., 1::2]) * turns
        pairs = np.stack([turned.real, turned.imag], axis=-1).reshape(turning.shape)
    else:
        turned = (turning[..., : count // 2] + 1j * turning[..., count // 2 :]) * turns
        pairs = np.concatenate([turned.real, turned.imag], axis=-1)
    return np.concatenate([pairs, rest], axis=-1).astype(np.float32)


def _turns(file: GgufFile, spec: AttentionSpec, number: int, length: int) -> NDArray[np.complex128]:
    """For each position and pair a complex number, [sequence, 1, pairs]."""
    if file.architecture not in ROTATES_NEIGHBOURS | ROTATES_HALVES:  # a family of a test, which alone knows
        assert spec.rope
        half = spec.rope.size // 2
        angles = np.outer(np.arange(length), spec.rope.base ** (-np.arange(half) / half) / (spec.rope.divisors or 1.0))
        return np.exp(1j * angles)[:, None]
    size = int(_number(file, f"rope.dimension_count{_kind(file, number)}", spec.head_size))
    base, factor = _number(file, "rope.freq_base", 10000), _number(file, "rope.scaling.factor", 0)
    kind = file.metadata.get(f"{file.architecture}.rope.scaling.type", "linear")
    factor = factor or _number(file, "rope.scale_linear", 0) or 1
    if kind == "none":
        factor = 1
    if file.architecture in ("gemma3", "gemma4") and _window(file, number):
        base, factor = _number(file, "rope.freq_base_swa", 10000), 1
    factors = 1.0 if _kind(file, number) else _factors(file)
    extrapolated = np.outer(np.arange(length), base ** (-2 * np.arange(size // 2) / size)) / factors
    interpolated, magnitude = extrapolated / factor, _number(file, "rope.scaling.attn_factor", 1)
    if kind != "yarn":
        return magnitude * np.exp(1j * interpolated)[:, None]
    mix = _yarn_mix(file, size, base)
    grown, multiplier = 0.1 * math.log(factor), _number(file, "rope.scaling.yarn_log_multiplier", 0)
    magnitude *= (1 + grown) / (1 + multiplier * grown)
    return magnitude * np.exp(1j * (interpolated * (1 - mix) + extrapolated * mix))[:, None]


def _kind(file: GgufFile, number: int) -> str:
    """How keys of a layer's own heads end: Gemma 4's are of another size where there is a window."""
    return "_swa" if file.architecture == "gemma4" and _window(file, number) else ""


def _factors(file: GgufFile) -> Array | float:
    """The file's own divisors of the frequencies."""
    original = _number(file, "rope.scaling.original_context_length", _number(file, "context_length", 0))
    fitting = "long" if _number(file, "context_length", 0) > original else "short"
    for name in ("rope_freqs", f"rope_factors_{fitting}"):
        if f"{name}.weight" in file.tensors:
            return _weight(file, name)[0]
    return 1.0


def _yarn_mix(file: GgufFile, size: int, base: float) -> NDArray[np.float64]:
    """How far each pair keeps its own frequency."""
    original = _number(file, "rope.scaling.original_context_length", _number(file, "context_length", 0))

    def correction(turns: float) -> float:
        return size * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base))

    low, high = (
        correction(_number(file, f"rope.scaling.yarn_beta_{key}", n)) for key, n in (("fast", 32), ("slow", 1))
    )
    if file.architecture != "gpt-oss":  # whose own configuration says that `truncate` is false
        low, high = math.floor(low), math.ceil(high)
    low, high = max(0, low), min(size - 1, high)
    return 1 - np.clip((np.arange(size // 2) - low) / max(0.001, high - low), 0, 1)
