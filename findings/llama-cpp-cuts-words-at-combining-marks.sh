#!/usr/bin/env bash
# llama.cpp reads Hindi, Thai and pointed Arabic in other tokens than Mistral's Tekken models (and, by the same rewritten
# expression, gpt-oss, Llama 4 and Phi-4-mini) were trained with: it cuts words at combining marks.
#
# Guess, from reading its expressions: `tekken` and `gpt-4o` look for `\p{L}` where the models' own have
# `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`, so a vowel sign ends a word; prompts get longer, and no error says so.
# Expected: the tokens of the model's own pattern and ranks, read by tiktoken.
# Seen, llama.cpp v0.5.0 (@node-llama-cpp/linux-x64 3.22.1) beside mistral-common 1.13.1 and tiktoken 0.14.0: equal for
# English, German, Russian, Chinese and Japanese; other tokens for the scripts above (13 for 8 in a line of Hindi).
# Fails when this changes. Needs python3 with venv, npm, and their package indexes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install gguf==0.19.0 tiktoken==0.14.0
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install --no-deps mistral-common==1.13.1
(cd "$work" && npm pack --silent @node-llama-cpp/linux-x64@3.22.1 >name && tar -xzf "$(cat name)")

cat >"$work/compare.py" <<'PYTHON'
"""Tokens of one text after another by both."""
import base64
import ctypes
import importlib.util
import itertools
import json
import pathlib
import sys

import gguf
import tiktoken

SAME = ("The quick brown fox", "über den großen Deich", "мягких французских булок", "我能吞下玻璃", "いろはにほへと")
OTHER = ("नमस्ते, आप कैसे हैं", "เป็นมนุษย์สุดประเสริฐ", "إِذ بَزَغَت")
POINTER, INT, BOOL = ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool


class Parameters(ctypes.Structure):
    _fields_ = [*((f"pointer{n}", POINTER) for n in range(2)), *((f"number{n}", INT) for n in range(5)),
                *((f"more{n}", POINTER) for n in range(4)), ("vocab_only", BOOL), *((f"flag{n}", BOOL) for n in range(5))]


def merge(token, ranks):
    """What a token is merged from: its bytes, merged by all earlier ranks."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        rank, place = min((ranks.get(a + b, 1 << 30), n) for n, (a, b) in enumerate(itertools.pairwise(parts)))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts


folder, libraries = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
data = pathlib.Path(importlib.util.find_spec("mistral_common").origin).parent / "data" / "tekken_240911.json"
tekken = json.loads(data.read_text())
ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in tekken["vocab"][: 131_072 - 1_000]}
own = tiktoken.Encoding("tekken", pat_str=tekken["config"]["pattern"], mergeable_ranks=ranks, special_tokens={})

printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
spare = iter(range(256, 512))
alphabet = [chr(byte if byte in printable else next(spare)) for byte in range(256)]
spelled = {token: "".join(alphabet[byte] for byte in token) for token in ranks}
writer = gguf.GGUFWriter(folder / "tekken.gguf", "llama")
for add, value in (("context_length", 64), ("block_count", 1), ("embedding_length", 64), ("feed_forward_length", 64),
                   ("head_count", 1), ("layer_norm_rms_eps", 1e-5), ("vocab_size", len(ranks) + 3), ("bos_token_id", 1),
                   ("eos_token_id", 2), ("tokenizer_model", "gpt2"), ("tokenizer_pre", "tekken"),
                   ("token_list", ["<unk>", "<s>", "</s>", *spelled.values()]), ("token_types", [3] * 3 + [1] * len(ranks)),
                   ("token_merges", [" ".join(spelled[part] for part in merge(t, ranks)) for t in ranks if len(t) > 1])):
    getattr(writer, f"add_{add}")(value)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

log = ctypes.CFUNCTYPE(None, INT, ctypes.c_char_p, POINTER)(lambda level, text, data: None)
for name in ("libggml-base.so", "libggml.v0.5.0.so"):
    ctypes.CDLL(str(libraries / name), mode=ctypes.RTLD_GLOBAL)
llama = ctypes.CDLL(str(libraries / "libllama.v0.5.0.so"))
llama.llama_log_set(log, None)
llama.llama_model_default_params.restype = Parameters
llama.llama_model_load_from_file.restype = llama.llama_model_get_vocab.restype = POINTER
llama.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Parameters]
llama.llama_model_get_vocab.argtypes = [POINTER]
llama.llama_tokenize.argtypes = [POINTER, ctypes.c_char_p, INT, ctypes.POINTER(INT), INT, BOOL, BOOL]
parameters = llama.llama_model_default_params()
parameters.vocab_only = True
vocabulary = llama.llama_model_get_vocab(llama.llama_model_load_from_file(bytes(folder / "tekken.gguf"), parameters))

wrong = False
for text in (*SAME, *OTHER):
    raw, room = text.encode(), (INT * 200)()
    found = room[: llama.llama_tokenize(vocabulary, raw, len(raw), room, len(room), False, False)]
    expected = [number + 3 for number in own.encode_ordinary(text)]
    print(f"{text}: the model {len(expected)} tokens, llama.cpp {len(found)}{'' if found == expected else ', others'}")
    wrong |= (found == expected) != (text in SAME)
sys.exit(wrong)
PYTHON
"$work/venv/bin/python" "$work/compare.py" "$work" "$work/package/bins/linux-x64"
