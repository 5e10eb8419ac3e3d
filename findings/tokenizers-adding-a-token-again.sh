#!/usr/bin/env bash
# A token that is added again with the other `special` is not refused and gets no new id: the old entry changes, in the
# list at once, in what encode and decode do only one way round, so that a saved copy cuts the same text differently.
#
# Expected: 0 tokens added and all as before, as for one that is added again unchanged; or a new id.
# Seen, tokenizers 0.23.3: add_tokens returns 1, the id stays. Made special, text with it is cut up as soon as
# encode_special_tokens is on, and decode leaves it out. Made ordinary again, it is listed as ordinary and both go on
# treating it as special, but a tokenizer read from to_str() of this one does not.
# Fails when one of these changes. Needs python3 with venv, and a package index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install tokenizers==0.23.3

cat >"$work/again.py" <<'PYTHON'
"""What adding a token twice does to it: how many were added, its id, its flag, how text is cut, and what decode says."""
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

LETTERS = "ab<x>"


def state(tokenizer: Tokenizer) -> str:
    number = tokenizer.token_to_id("<x>")
    tokenizer.encode_special_tokens = True
    cut = " ".join(tokenizer.encode("a<x>b").tokens)
    flag = "special" if tokenizer.get_added_tokens_decoder()[number].special else "ordinary"
    return f"id {number}, {flag}, cut as '{cut}', decoded as '{tokenizer.decode([0, number, 1])}'"


def twice(first: bool, second: bool, wanted: str, saved: str) -> bool:
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(LETTERS)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_tokens([AddedToken("<x>", special=first)])
    added = tokenizer.add_tokens([AddedToken("<x>", special=second)])
    copy = Tokenizer.from_str(tokenizer.to_str())
    here, there = f"{added} added, {state(tokenizer)}", state(copy)
    print(f"special={first}, then {second}: {here}\n  its copy: {there}")
    return here == wanted and there == saved


whole, pieces = "cut as 'a <x> b', decoded as 'a <x> b'", "cut as 'a < x > b', decoded as 'a b'"
same = [
    twice(False, False, f"0 added, id 5, ordinary, {whole}", f"id 5, ordinary, {whole}"),
    twice(False, True, f"1 added, id 5, special, {pieces}", f"id 5, special, {pieces}"),
    twice(True, False, f"1 added, id 5, ordinary, {pieces}", f"id 5, ordinary, {whole}"),
]
raise SystemExit(0 if all(same) else "changed")
PYTHON

"$work/venv/bin/python" "$work/again.py"
