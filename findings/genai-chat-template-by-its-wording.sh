#!/usr/bin/env bash
# What ONNX Runtime GenAI shows a chat template of the tools depends on the template's wording: where no loop variable is
# called `tool`, each loses its wrapper and the `required`, `enum` and `default` of its parameters; a comment that names
# `tool | tojson` brings them back. Beyond that, `in` does not look into a text, and a tag leaves its line behind.
#
# Expected: the text of Jinja set up as Transformers does (trim_blocks, lstrip_blocks), or an error for what it lacks.
# Seen, onnxruntime-genai 0.18.0 beside Jinja2 3.1.6: no error, and other prompts than a model was trained with;
# `split`, which does find the text that `in` does not, namespace() and a message's tojson are as Jinja's.
# Fails when one of these changes. Needs python3 with venv, and a package index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install \
    onnxruntime-genai==0.18.0 onnxruntime==1.32.0 tokenizers==0.23.3 onnx==1.23.2 numpy==2.4.6 Jinja2==3.1.6

cat >"$work/render.py" <<'PYTHON'
"""One template after another by both libraries, for the same messages and tools."""
import json
import pathlib
import sys

import onnx
import onnxruntime_genai
from jinja2.sandbox import ImmutableSandboxedEnvironment
from onnx import TensorProto, helper
from tokenizers import Tokenizer, models, pre_tokenizers

MESSAGES = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "<think>é</think>yes"}]
UNIT = {"type": "string", "enum": ["C", "F"], "default": "C"}
FUNCTION = {"name": "weather", "parameters": {"type": "object", "properties": {"unit": UNIT}, "required": ["unit"]}}
TOOLS = [{"type": "function", "function": FUNCTION}]
WHOLE = json.dumps(TOOLS[0])
LOST = json.dumps({"name": "weather", "description": "", "parameters": {"unit": {"type": "str"}}})
# The template; its text by Jinja and by GenAI.
CASES = (
    ("{% for tool in tools %}{{ tool | tojson }}{% endfor %}", WHOLE, WHOLE),
    ("{% for t in tools %}{{ t | tojson }}{% endfor %}", WHOLE, LOST),
    ("{# tool | tojson #}{% for t in tools %}{{ t | tojson }}{% endfor %}", WHOLE, WHOLE),
    ("{{ '</think>' in messages[1].content }}", "True", "False"),
    ("a\n  {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc", "a\n  \nb\n  \nc"),
    ("{{ messages[1].content.split('</think>')[-1] }}", "yes", "yes"),
    ("{% set all = namespace(n=0) %}{% for m in messages %}{% set all.n = all.n + 1 %}{% endfor %}{{ all.n }}", "2", "2"),
    ("{{ messages[0] | tojson }}", json.dumps(MESSAGES[0]), json.dumps(MESSAGES[0])),
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


environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
folder = pathlib.Path(sys.argv[1], "model")
folder.mkdir()
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
letters = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(alphabet)}, merges=[]))
letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
letters.save(str(folder / "tokenizer.json"))
(folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64}')
write_model(folder, len(alphabet))
tokenizer = onnxruntime_genai.Tokenizer(onnxruntime_genai.Model(str(folder)))
changed = False
for template, by_jinja, by_genai in CASES:
    texts = {"messages": json.dumps(MESSAGES), "tools": json.dumps(TOOLS)}
    found = [
        environment.from_string(template).render(messages=MESSAGES, tools=TOOLS),
        tokenizer.apply_chat_template(template_str=template, add_generation_prompt=True, **texts),
    ]
    changed |= found != [by_jinja, by_genai]
    print(f"{template!r}: {found[0]!r}, GenAI {found[1]!r} (expected {by_jinja!r}, {by_genai!r})")
raise SystemExit("changed" if changed else 0)
PYTHON

HOME=$work ORT_DISABLE_TELEMETRY=1 "$work/venv/bin/python" "$work/render.py" "$work"
