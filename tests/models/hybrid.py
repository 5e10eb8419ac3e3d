"""Tiny GGUF files of models whose layers are not all attention, with random weights."""

from dataclasses import dataclass

import gguf

from tests.models.synthetic import Tiny


@dataclass
class TinyQwen35(Tiny):
    """Three layers with a state, then one of gated attention; `attention_at` says which others have attention."""

    architecture: str = "qwen35"
    pre: str | None = "qwen35"
    layers: int = 4
    attention_at: tuple[int, ...] = (3,)
    head_size: int = 32
    turned: int = 16
    head_norms: bool = True
    key_heads: int = 2
    value_heads: int = 4
    state_size: int = 16
    value_size: int = 16
    said_width: int = 0
    """What the metadata says of all value heads together; 0: what is true."""
    kernel: int = 4
    shared: int = 64
    """Width of the expert that all tokens share, where there are experts."""
    drafts: bool = False
    """A block that drafts follows the layers."""

    def write_metadata(self, writer: gguf.GGUFWriter) -> None:
        super().write_metadata(writer)
        if self.drafts:
            writer.kv_data[0][f"{self.architecture}.block_count"].value += 1
            writer.add_nextn_predict_layers(1)
        if self.experts:
            writer.add_expert_shared_feed_forward_length(self.shared)
        writer.add_rope_dimension_sections([2, 1, 1, 0])
        writer.add_ssm_conv_kernel(self.kernel)
        writer.add_ssm_state_size(self.state_size)
        writer.add_ssm_group_count(self.key_heads)
        writer.add_ssm_time_step_rank(self.value_heads)
        writer.add_ssm_inner_size(self.said_width or self.value_heads * self.value_size)
        writer.add_uint32(
            f"{self.architecture}.full_attention_interval", 4
        )  # whatever the layers are, as llama.cpp's converter does
        recurrent = [layer not in self.attention_at for layer in range(self.layers)]
        writer.add_array(f"{self.architecture}.attention.recurrent_layers", recurrent + [False] * self.drafts)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = super().shapes()
        for layer in range(self.layers):
            block = f"blk.{layer}"
            shapes[f"{block}.post_attention_norm.weight"] = shapes.pop(f"{block}.ffn_norm.weight")
            if self.experts:
                shapes |= {f"{block}.ffn_{part}_shexp.weight": (self.shared, self.hidden) for part in ("gate", "up")}
                shapes[f"{block}.ffn_down_shexp.weight"] = (self.hidden, self.shared)
                shapes[f"{block}.ffn_gate_inp_shexp.weight"] = (self.hidden,)
            if layer in self.attention_at:
                shapes[f"{block}.attn_q.weight"] = (2 * self.heads * self.head_size, self.hidden)
            else:
                shapes = {name: shape for name, shape in shapes.items() if not _is_attention(name, block)}
                shapes |= {f"{block}.{name}": shape for name, shape in self._layer_with_state().items()}
        if self.drafts:
            shapes[f"blk.{self.layers}.nextn.eh_proj.weight"] = (self.hidden, 2 * self.hidden)
        return shapes

    def state_shapes(self) -> list[tuple[int, ...]]:
        """Of each layer without attention, one sequence's."""
        channels = 2 * self.key_heads * self.state_size + self.value_heads * self.value_size
        return [(self.kernel - 1, channels), (self.value_heads, self.state_size, self.value_size)]

    def _layer_with_state(self) -> dict[str, tuple[int, ...]]:
        heads, width, hidden = self.value_heads, self.value_heads * self.value_size, self.hidden
        channels = 2 * self.key_heads * self.state_size + width
        return {
            "attn_qkv.weight": (channels, hidden),
            "attn_gate.weight": (width, hidden),
            "ssm_alpha.weight": (heads, hidden),
            "ssm_beta.weight": (heads, hidden),
            "ssm_conv1d.weight": (channels, self.kernel),
            "ssm_a": (heads,),
            "ssm_dt.bias": (heads,),
            "ssm_norm.weight": (self.value_size,),
            "ssm_out.weight": (hidden, width),
        }


@dataclass
class TinyLfm2(Tiny):
    """Short convolutions in all layers but those of `attention_at`."""

    architecture: str = "lfm2"
    pre: str | None = "lfm2"
    layers: int = 3
    attention_at: tuple[int, ...] = (1,)
    head_norms: bool = True
    kernel: int = 3

    def write_metadata(self, writer: gguf.GGUFWriter) -> None:
        super().write_metadata(writer)
        kept = [self.kv_heads if layer in self.attention_at else 0 for layer in range(self.layers)]
        del writer.kv_data[0]["lfm2.attention.head_count_kv"]
        writer.add_head_count_kv(kept)
        writer.add_shortconv_l_cache(self.kernel)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = super().shapes()
        shapes["token_embd_norm.weight"] = shapes.pop("output_norm.weight")
        for layer in set(range(self.layers)) - set(self.attention_at):
            block = f"blk.{layer}"
            shapes = {name: shape for name, shape in shapes.items() if not _is_attention(name, block)}
            shapes |= {
                f"{block}.shortconv.in_proj.weight": (3 * self.hidden, self.hidden),
                f"{block}.shortconv.conv.weight": (self.hidden, self.kernel),
                f"{block}.shortconv.out_proj.weight": (self.hidden, self.hidden),
            }
        return shapes

    def state_shapes(self) -> list[tuple[int, ...]]:
        """Of each layer without attention, one sequence's."""
        return [(self.kernel - 1, self.hidden)]


def _is_attention(name: str, block: str) -> bool:
    return name.startswith(f"{block}.attn_") and name != f"{block}.attn_norm.weight"
