#!/usr/bin/env bash
# ONNX Runtime GenAI reads a part of tokenizer.json only and says nothing about the rest, so that a model gets other token
# ids than those it was trained with: a normalizer is not applied, digits that are to stand alone are merged.
#
# Expected: the ids of the tokenizers library from the same file, or an error that names what is not known.
# Seen, onnxruntime-genai 0.18.0 beside tokenizers 0.23.3, whatever class tokenizer_config.json names: the same ids with
# byte-level BPE alone and with a Split before it, which takes single digits; other ids with the normalizers NFC (which
# Qwen's models have) and Lowercase, and with the pre-tokenizer Digits (which SmolLM2 has).
# Fails when one of these changes. Needs python3 with venv, and a package index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install \
    onnxruntime-genai==0.18.0 onnxruntime==1.32.0 tokenizers==0.23.3 onnx==1.23.2 numpy==2.4.6

cat >"$work/compare.py" <<'PYTHON'
"""Tokens of one text by both libraries, from one tokenizer.json beside the smallest model that GenAI loads."""
import json
import pathlib
import sys

import onnx
import onnxruntime_genai
from onnx import TensorProto, helper
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
bytes_alone = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
digits = pre_tokenizers.Digits(individual_digits=True)
single = pre_tokenizers.Split(Regex(r"\p{N}|[^\r\n\p{L}\p{N}]?\p{L}+|\s+(?!\S)|\s+"), "isolated")
WHOLE, APART = ["12", "34"], ["1", "2", "3", "4"]
# What is in the file; the text; its tokens by tokenizers and by GenAI.
CASES = (
    ("ByteLevel", None, byte_level, "1234", WHOLE, WHOLE),
    ("Split, ByteLevel", None, pre_tokenizers.Sequence([single, bytes_alone]), "1234", APART, APART),
    ("Digits, ByteLevel", None, pre_tokenizers.Sequence([digits, byte_level]), "1234", APART, WHOLE),
    ("NFC", normalizers.NFC(), byte_level, "e\u0301", ["Ã", "©"], ["e", "Ì", "ģ"]),
    ("Lowercase", normalizers.Lowercase(), byte_level, "AB", ["a", "b"], ["A", "B"]),
)


def write_model(folder: pathlib.Path, size: int) -> None:
    """A graph that looks its logits up, and passes its keys and values on."""
    cache = [("key", "past_key_values.0.key", "present.0.key"), ("value", "past_key_values.0.value", "present.0.value")]
    tensor, text = helper.make_tensor_value_info, TensorProto.INT64
    shape = ["batch", 1, "length", 8]
    inputs = [tensor("input_ids", text, ["batch", "sequence"]), tensor("attention_mask", text, ["batch", "total"])]
    inputs += [tensor(past, TensorProto.FLOAT, shape) for _, past, _ in cache]
    outputs = [tensor("logits", TensorProto.FLOAT, ["batch", "sequence", size])]
    outputs += [tensor(present, TensorProto.FLOAT, shape) for _, _, present in cache]
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["logits"])]
    nodes += [helper.make_node("Identity", [past], [present]) for _, past, present in cache]
    table = helper.make_tensor("table", TensorProto.FLOAT, [size, size], [0.0] * size * size)
    graph = helper.make_graph(nodes, "lookup", inputs, outputs, [table])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), folder / "model.onnx")
    named = {f"past_{kind}_names": past.replace("0", "%d") for kind, past, _ in cache}
    out = {f"present_{kind}_names": present.replace("0", "%d") for kind, _, present in cache}
    decoder = {"filename": "model.onnx", "head_size": 8, "hidden_size": 8, "num_hidden_layers": 1, "session_options": {}}
    decoder |= {"num_attention_heads": 1, "num_key_value_heads": 1, "outputs": {"logits": "logits"} | out}
    decoder |= {"inputs": {"input_ids": "input_ids", "attention_mask": "attention_mask"} | named}
    model = {"type": "qwen2", "vocab_size": size, "context_length": 64, "decoder": decoder}
    model |= {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    (folder / "genai_config.json").write_text(json.dumps({"model": model, "search": {"max_length": 64}}))


changed = False
for kind in ("PreTrainedTokenizerFast", "Qwen2Tokenizer", "GPT2Tokenizer"):
    for number, (name, normalizer, pre_tokenizer, text, by_file, by_genai) in enumerate(CASES):
        folder = pathlib.Path(sys.argv[1], f"{kind}-{number}")
        folder.mkdir()
        vocabulary = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "12", "34"]
        order = {token: place for place, token in enumerate(vocabulary)}
        tokenizer = Tokenizer(models.BPE(vocab=order, merges=[("1", "2"), ("3", "4")]))
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer, decoders.ByteLevel()
        if normalizer is not None:
            tokenizer.normalizer = normalizer
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind, "model_max_length": 64}))
        write_model(folder, len(vocabulary))
        genai = onnxruntime_genai.Tokenizer(onnxruntime_genai.Model(str(folder)))
        found = [tokenizer.encode(text).tokens, [vocabulary[place] for place in genai.encode(text)]]
        changed |= found != [by_file, by_genai]
        print(f"{kind}, {name}, {ascii(text)}: {found[0]}, GenAI {found[1]} (expected {by_file}, {by_genai})")
raise SystemExit("changed" if changed else 0)
PYTHON

HOME=$work ORT_DISABLE_TELEMETRY=1 "$work/venv/bin/python" "$work/compare.py" "$work"
