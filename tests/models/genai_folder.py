"""Small folders with random weights, in the way of ONNX Runtime GenAI's own model builder (release 0.18).

What is like the builder's: names, types and shapes of inputs and outputs, with `kv_cache_dim` for the head size and
`past_sliding_length` for a cache that evicts; the attention and what it reads; `genai_config.json`. The rest of a
layer is left out: queries, keys and values are one product or three, and what the heads read is added.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


@dataclass
class GenAiFolder:
    """What is written; every field may be changed before `write`."""

    kind: int = TensorProto.FLOAT
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    head_size: int = 16
    hidden: int = 64
    vocabulary: int = 269
    context: int = 1024
    windows: tuple[int, ...] = ()
    """Layers have these windows in turn; -1 is none."""
    evicts: bool = True
    """Caches of layers with a window are as long as that."""
    switch: int | None = None
    """Beyond so many tokens all of a pass is rotated by another table (longrope)."""
    streams: int = 0
    """Numbers for the place of a token, which is an input then; 0: the attention counts tokens itself."""
    packed: bool = True
    attention: str = "GroupQueryAttention"
    norms: bool = False
    """The attention norms queries and keys itself."""
    more_inputs: tuple[str, ...] = ()
    hidden_states: bool = False
    logits: str = "logits"
    logits_rows: str | int = "sequence_length"
    said_head_size: int | None = None
    """What the configuration says, if something else than `head_size`."""

    def write(self, path: Path, tokenizer: Path) -> Path:
        """Writes the folder `path`, with the tokenizer and the chat template of another one."""
        path.mkdir(parents=True)
        for name in FILES:
            shutil.copyfile(tokenizer / name, path / name)
        (path / "genai_config.json").write_text(json.dumps(self.configuration()), encoding="utf-8")
        onnx.save(_Graph(self).model(), path / "model.onnx")
        return path

    def window(self, layer: int) -> int:
        return self.windows[layer % len(self.windows)] if self.windows else -1

    def configuration(self) -> dict[str, Any]:
        local = [layer for layer in range(self.layers) if self.window(layer) > 0]
        window = {"window_size": max(self.windows, default=-1), "layers": local, "cache_slack": 0}
        window |= {"slide_key_value_cache": False, "slide_inputs": False}
        decoder = {
            "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
            "filename": "model.onnx",
            "head_size": self.said_head_size or self.head_size,
            "hidden_size": self.hidden,
            "inputs": {
                "input_ids": "input_ids",
                "attention_mask": "attention_mask",
                **({"position_ids": "position_ids"} if self.streams else {}),
                "past_key_names": "past_key_values.%d.key",
                "past_value_names": "past_key_values.%d.value",
            },
            "outputs": {
                "logits": "logits",
                "present_key_names": "present.%d.key",
                "present_value_names": "present.%d.value",
            },
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.kv_heads,
            **({"sliding_window": window} if local and self.evicts else {}),
        }
        model = {
            "bos_token_id": 1,
            "context_length": self.context,
            "decoder": decoder,
            "eos_token_id": [2, 0],
            "pad_token_id": 2,
            "type": "qwen2_5_vl_text" if self.streams == 3 else "llama",
            "vocab_size": self.vocabulary,
        }
        search = {"do_sample": False, "max_length": self.context, "past_present_share_buffer": True}
        return {"model": model, "search": search}


class _Graph:
    def __init__(self, folder: GenAiFolder) -> None:
        self.folder = folder
        self.random = np.random.default_rng(11)
        self.type = helper.tensor_dtype_to_np_dtype(folder.kind)
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []

    def model(self) -> onnx.ModelProto:
        folder, ids = self.folder, TensorProto.INT64
        kept = folder.kv_heads * folder.head_size
        sizes = (folder.heads * folder.head_size, kept, kept)
        inputs = [self.value("input_ids", ["batch_size", "sequence_length"], ids)]
        inputs += [self.value("attention_mask", ["batch_size", "total_sequence_length"], ids)]
        if folder.streams:
            shape = ["batch_size", "sequence_length"]
            inputs += [self.value("position_ids", [3, *shape] if folder.streams == 3 else shape, ids)]
        inputs += [self.value(name, ["batch_size", 64, 2]) for name in folder.more_inputs]
        outputs = [self.value(folder.logits, ["batch_size", folder.logits_rows, folder.vocabulary])]
        self.lengths()
        self.tables()
        state = self.node("Gather", [self.weight("embedding", (folder.vocabulary, folder.hidden), 1.0), "input_ids"])
        for layer in range(folder.layers):
            inputs += [self.cache(f"past_key_values.{layer}.{part}", layer, "past") for part in ("key", "value")]
            outputs += [self.cache(f"present.{layer}.{part}", layer, "total") for part in ("key", "value")]
            read = self.attention(layer, state, sizes)
            update = self.node("MatMul", [read, self.weight(f"out.{layer}", (sizes[0], folder.hidden))])
            state = self.node("Add", [state, update])
        if folder.hidden_states:
            outputs.insert(0, self.value("hidden_states", ["batch_size", "sequence_length", folder.hidden]))
            self.node("Identity", [state], "hidden_states")
        if folder.logits == "logits":
            last = self.node("Slice", [state, *self.ints([-1], [1 << 31], [1])]) if folder.logits_rows == 1 else state
            self.node("MatMul", [last, self.weight("head", (folder.hidden, folder.vocabulary))], "logits")
        else:
            self.node("Identity", [state], folder.logits)
        graph = helper.make_graph(self.nodes, "main_graph", inputs, outputs, self.weights)
        opsets = [helper.make_opsetid("", 22), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def attention(self, layer: int, state: str, sizes: tuple[int, int, int]) -> str:
        folder = self.folder
        if folder.packed and not folder.streams:
            packed = self.weight(f"qkv.{layer}", (folder.hidden, sum(sizes)), 2.0)
            query = [self.node("MatMul", [state, packed]), "", ""]
        else:
            parts = [self.weight(f"qkv.{layer}.{n}", (folder.hidden, size), 2.0) for n, size in enumerate(sizes)]
            query = [self.node("MatMul", [state, part]) for part in parts]
            if folder.streams:
                query[:2] = [self.rotated(query[0], folder.heads), self.rotated(query[1], folder.kv_heads)]
        names = [f"{layer}.key", f"{layer}.value"]
        norms = [self.weight(f"norm.{layer}.{n}", (folder.head_size,)) for n in range(2)] if folder.norms else []
        caches = [] if folder.streams else ["cos_cache", "sin_cache"]
        window = folder.window(layer)
        attributes = {"num_heads": folder.heads, "kv_num_heads": folder.kv_heads, "local_window_size": window}
        if window > 0 and folder.evicts:
            attributes["sliding_window_cache"] = 1
        inputs = [*query, *(f"past_key_values.{name}" for name in names), "lengths", "longest", *caches]
        self.nodes.append(
            helper.make_node(
                folder.attention,
                inputs + [""] * (14 - len(inputs)) + norms if norms else inputs,
                [f"read.{layer}", *(f"present.{name}" for name in names)],
                f"/model/layers.{layer}/attn/GroupQueryAttention",
                domain=MICROSOFT,
                do_rotary=int(not folder.streams),
                **attributes,
            )
        )
        return f"read.{layer}"

    def rotated(self, source: str, heads: int) -> str:
        inputs = [source, "position_ids", "cos_cache", "sin_cache"]
        if self.folder.streams == 1:
            return self.node("RotaryEmbedding", inputs, domain=MICROSOFT, num_heads=heads, interleaved=0)
        return self.node("MRotaryEmbedding", inputs, domain=MICROSOFT, num_heads=heads, mrope_section=[2, 3, 3])

    def lengths(self) -> None:
        """What the attention reads of the mask: tokens of each sequence less one, and of the longest."""
        ones, first = self.ints([1], [1])
        less_one = self.node("Sub", [self.node("ReduceSum", ["attention_mask", ones], keepdims=0), first])
        self.node("Cast", [less_one], "lengths", to=TensorProto.INT32)
        self.weights.append(numpy_helper.from_array(np.array(1, np.int64), "one"))
        self.node("Gather", [self.node("Shape", ["attention_mask"]), "one"], "total", axis=0)
        self.node("Cast", ["total"], "longest", to=TensorProto.INT32)

    def tables(self) -> None:
        folder = self.folder
        rates = 10000.0 ** (-np.arange(0, folder.head_size, 2) / folder.head_size)
        if folder.switch is None:
            self.weights += self.rotation("cos_cache", "sin_cache", folder.context, rates)
            return
        self.weights.append(numpy_helper.from_array(np.array(folder.switch, np.int64), "switch"))
        condition = self.node("Greater", ["total", "switch"])
        branches = {
            "then_branch": self.branch("large", folder.context, rates / np.arange(1, len(rates) + 1)),
            "else_branch": self.branch("small", folder.switch, rates),
        }
        self.nodes.append(helper.make_node("If", [condition], ["cos_cache", "sin_cache"], **branches))

    def branch(self, name: str, rows: int, rates: np.ndarray) -> onnx.GraphProto:
        tables = self.rotation(f"cos_cache_{name}", f"sin_cache_{name}", rows, rates)
        nodes = [helper.make_node("Constant", [], [table.name], value=table) for table in tables]
        shape = [rows, len(rates)]
        return helper.make_graph(nodes, name, [], [self.value(table.name, shape) for table in tables])

    def rotation(self, cosines: str, sines: str, rows: int, rates: np.ndarray) -> list[TensorProto]:
        angles = np.arange(rows)[:, None] * rates
        tables = {cosines: np.cos(angles), sines: np.sin(angles)}
        return [numpy_helper.from_array(table.astype(self.type), name) for name, table in tables.items()]

    def cache(self, name: str, layer: int, which: str) -> onnx.ValueInfoProto:
        evicts = self.folder.evicts and self.folder.window(layer) > 0
        length = f"{which}_{'sliding' if evicts else 'sequence'}_length"
        return self.value(name, ["batch_size", self.folder.kv_heads, length, "kv_cache_dim"])

    def value(self, name: str, shape: list[str | int], kind: int | None = None) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind or self.folder.kind, shape)

    def weight(self, name: str, shape: tuple[int, ...], scale: float = 1.0) -> str:
        values = scale * self.random.standard_normal(shape) / (shape[0] ** 0.5 if len(shape) > 1 else 1)
        if name == "embedding":
            values *= shape[0] ** 0.5
        self.weights.append(numpy_helper.from_array(values.astype(self.type), name))
        return name

    def ints(self, *values: list[int]) -> list[str]:
        names = [f"ints.{len(self.weights)}.{n}" for n in range(len(values))]
        self.weights += [
            numpy_helper.from_array(np.array(value, np.int64), name) for name, value in zip(names, values, strict=True)
        ]
        return names

    def node(self, kind: str, inputs: list[str], output: str = "", domain: str = "", **attributes: Any) -> str:
        name = output or f"{kind}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, domain=domain, **attributes))
        return name
