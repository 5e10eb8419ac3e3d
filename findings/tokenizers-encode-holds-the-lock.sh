#!/usr/bin/env bash
# Tokenizer.encode and .decode keep Python's lock until the whole text is done, so that a server which puts them into a
# thread stands still all the same; encode_batch and decode_batch of one text let the other threads run.
#
# Expected (Rust, which needs no Python objects on the way): all of them let other threads run.
# Seen, tokenizers 0.23.3 with CPython: a thread that wakes up every millisecond does not while encode or decode works on
# a long text, and does so hundreds of times during encode_batch, encode_batch_fast and decode_batch of the same text.
# Fails when one of these changes. Needs python3 with venv, and a package index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install tokenizers==0.23.3

cat >"$work/ticks.py" <<'PYTHON'
"""Whether a thread gets its turns while the main thread is in a call of the library."""
import threading
import time
from collections.abc import Callable

from tokenizers import Tokenizer, models, pre_tokenizers


def others(call: Callable[[], object]) -> str:
    """What other threads do meanwhile: "wait" or "run"; the two counts lie far apart, whatever else the machine does."""
    ticks, ready, stop = [0], threading.Event(), threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks[0] += 1
            ready.set()
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    ready.wait()
    before = ticks[0]
    call()
    turns = ticks[0] - before
    stop.set()
    thread.join()
    return "wait" if turns <= 10 else "run" if turns >= 40 else f"get {turns} turns"


tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate("abcdefgh")}, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
text = "abc def gh " * 400_000
ids = tokenizer.encode_batch_fast([text])[0].ids
wanted = {
    "encode(text)": ("wait", lambda: tokenizer.encode(text)),
    "encode_batch([text])": ("run", lambda: tokenizer.encode_batch([text])),
    "encode_batch_fast([text])": ("run", lambda: tokenizer.encode_batch_fast([text])),
    "decode(ids)": ("wait", lambda: tokenizer.decode(ids)),
    "decode_batch([ids])": ("run", lambda: tokenizer.decode_batch([ids])),
}
changed = False
for name, (expected, call) in wanted.items():
    found = others(call)
    changed |= found != expected
    print(f"{name}: other threads {found} (expected: {expected})")
raise SystemExit("changed" if changed else 0)
PYTHON

"$work/venv/bin/python" "$work/ticks.py"
