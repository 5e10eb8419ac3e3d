#!/usr/bin/env bash
# ONNX Runtime GenAI takes a window that holds for no layer for one that holds for all. Its own model builder writes
# `"sliding_window": {"window_size": N, "layers": []}` for models that have `sliding_window` in their configuration without
# saying for which layers (Mistral 7B v0.1, Phi-3), and a graph whose attention has no window.
#
# Expected: with an empty list of layers all caches are as long as without the section, and answers are the same.
# Seen, onnxruntime-genai 0.18.0: all caches are as long as the window; a prompt that fits is answered the same, a longer
# one ends with an error of the attention's kernel ("total_sequence_length must ...").
# Fails when that changes. Needs python3 with venv, and a package index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install \
    onnxruntime-genai==0.18.0 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6

cat >"$work/compare.py" <<'PYTHON'
"""Greedy tokens of one decoder of one layer, without a window in its configuration and with one of no layer."""
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime_genai
from onnx import TensorProto, helper, numpy_helper

SIZE, HEADS, HEAD, CONTEXT, WINDOW = 64, 4, 16, 512, 64
random = np.random.default_rng(0)
names = [("past_key_values.0.key", "present.0.key"), ("past_key_values.0.value", "present.0.value")]


def model() -> onnx.ModelProto:
    weights = {name: random.standard_normal(shape) / 8 for name, shape in (("qkv", (SIZE, 3 * SIZE)), ("head", (SIZE, SIZE)))}
    weights["table"] = 8 * random.standard_normal((SIZE, SIZE))
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    tensors += [numpy_helper.from_array(np.array(value), name) for name, value in (("one", [1]), ("last", 1))]
    node = helper.make_node
    inputs = ["qkv_out", "", "", *(past for past, _ in names), "lengths", "longest"]
    nodes = [
        node("ReduceSum", ["attention_mask", "one"], ["ones"], keepdims=0),
        node("Sub", ["ones", "one"], ["less"]),
        node("Cast", ["less"], ["lengths"], to=TensorProto.INT32),
        node("Shape", ["attention_mask"], ["shape"]),
        node("Gather", ["shape", "last"], ["total"]),
        node("Cast", ["total"], ["longest"], to=TensorProto.INT32),
        node("Gather", ["table", "input_ids"], ["state"]),
        node("MatMul", ["state", "qkv"], ["qkv_out"]),
        node("GroupQueryAttention", inputs, ["read", *(present for _, present in names)], domain="com.microsoft",
             num_heads=HEADS, kv_num_heads=HEADS, local_window_size=-1),
        node("MatMul", ["read", "head"], ["logits"]),
    ]
    value = helper.make_tensor_value_info
    given = [value("input_ids", TensorProto.INT64, ["batch", "new"]), value("attention_mask", TensorProto.INT64, ["batch", "all"])]
    given += [value(past, TensorProto.FLOAT, ["batch", HEADS, "past", HEAD]) for past, _ in names]
    answers = [value("logits", TensorProto.FLOAT, ["batch", "new", SIZE])]
    answers += [value(present, TensorProto.FLOAT, ["batch", HEADS, "all", HEAD]) for _, present in names]
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(helper.make_graph(nodes, "decoder", given, answers, tensors), opset_imports=opsets, ir_version=10)


def write(folder: pathlib.Path, graph: onnx.ModelProto, window: dict) -> None:
    folder.mkdir()
    onnx.save(graph, folder / "model.onnx")
    state = {"key": 0, "value": 1}
    given = {f"past_{kind}_names": names[place][0].replace("0", "%d") for kind, place in state.items()}
    kept = {f"present_{kind}_names": names[place][1].replace("0", "%d") for kind, place in state.items()}
    decoder = {"filename": "model.onnx", "head_size": HEAD, "hidden_size": SIZE, "num_hidden_layers": 1}
    decoder |= {"num_attention_heads": HEADS, "num_key_value_heads": HEADS, "session_options": {}} | window
    decoder |= {"inputs": {"input_ids": "input_ids", "attention_mask": "attention_mask"} | given}
    decoder |= {"outputs": {"logits": "logits"} | kept}
    whole = {"type": "mistral", "vocab_size": SIZE, "context_length": CONTEXT, "decoder": decoder, "pad_token_id": 0}
    whole |= {"bos_token_id": 1, "eos_token_id": SIZE - 1}
    search = {"max_length": CONTEXT, "past_present_share_buffer": True}
    (folder / "genai_config.json").write_text(json.dumps({"model": whole, "search": search}))


def answer(folder: pathlib.Path, length: int) -> list[int] | str:
    loaded = onnxruntime_genai.Model(str(folder))
    generator = onnxruntime_genai.Generator(loaded, onnxruntime_genai.GeneratorParams(loaded))
    try:
        generator.append_tokens((np.arange(length) * 7 % 60).astype(np.int32))
        for _ in range(8):
            generator.generate_next_token()
    except RuntimeError as error:
        return str(error).partition("Status Message: ")[2][:80]
    return [int(token) for token in generator.get_sequence(0)[length:]]


root, graph = pathlib.Path(sys.argv[1]), model()
section = {"window_size": WINDOW, "slide_key_value_cache": False, "slide_inputs": False, "layers": [], "cache_slack": 0}
write(root / "without", graph, {})
write(root / "with", graph, {"sliding_window": section})
short, long = ([answer(root / name, length) for name in ("without", "with")] for length in (WINDOW // 2, 3 * WINDOW))
print("a prompt shorter than the window:", *short)
print("a longer one:", *long)
seen = short[0] == short[1] and isinstance(long[0], list) and "total_sequence_length must" in str(long[1])
raise SystemExit(0 if seen else "changed")
PYTHON

HOME=$work ORT_DISABLE_TELEMETRY=1 "$work/venv/bin/python" "$work/compare.py" "$work" 2>/dev/null
