"""Answers in the environment that has PyTorch: reads one JSON object a line, writes one.

Everything large goes through files. Not imported by tests: `rig.py` runs it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def answer(request: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    if request["do"] == "make":
        from specimen import make_specimen

        tokens = make_specimen(
            request["recipe"], request["corpus"], request["texts"], request["length"], Path(request["folder"])
        )
        np.save(request["tokens"], tokens)
    elif request["do"] == "convert":
        from converter import convert

        convert(Path(request["folder"]), Path(request["target"]), request["tokenizer"])
    elif request["do"] == "truth":
        from truth import logits

        file = request["file"] and Path(request["file"])
        np.save(request["target"], logits(Path(request["folder"]), file, np.load(request["tokens"])))
    elif request["do"] == "differences":
        from truth import differences

        return differences(Path(request["folder"]), Path(request["file"]))
    else:
        raise ValueError(request["do"])
    return {}


def main() -> None:
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for line in requests:
        try:
            result: dict[str, Any] = {"result": answer(json.loads(line))}
        except Exception as error:
            import traceback

            traceback.print_exc()
            result = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(result) + "\n")
        answers.flush()


if __name__ == "__main__":
    sys.exit(main())
