"""The workload `plan` in a process of its own, where a test gave it a GPU; prints the outcome as JSON.

python -m tests.bench.plan_worker MODEL_FOLDER
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.workloads import plan
from codex_windows_ai.devices import proof as device_proof
from codex_windows_ai.models.folder import read_model_folder
from tests.devices.software_gpu import RIGHT


def main() -> None:
    """Measures as little as shows everything."""
    device_proof.WHOLE_TOKENS = RIGHT
    bench = Bench(read_model_folder(Path(sys.argv[1])), repeat=1, threads=1)
    try:
        size = plan.SmallRequestsSize(agents=2, requests=2, instruction=40, item=8)
        outcome = asyncio.run(plan.run(bench, size))
    finally:
        bench.children.end_all()
    shown = {
        "results": [result.to_json() for result in outcome.results],
        "comparisons": [comparison.to_json() for comparison in outcome.comparisons],
        "notes": outcome.notes,
    }
    print(json.dumps(shown))


if __name__ == "__main__":
    main()
