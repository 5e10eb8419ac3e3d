"""What Windows says of its adapters; with DOUBLE_PDH, a folder, over the double of pdh.dll there."""

from __future__ import annotations

import json
import os
from dataclasses import asdict

if __name__ == "__main__":
    if folder := os.environ.get("DOUBLE_PDH"):
        os.add_dll_directory(folder)  # psutil needs pdh.dll, too, so before anything of ours is imported
    from codex_windows_ai.hardware.live import read_adapters

    print(json.dumps({"adapters": [asdict(figures) for figures in read_adapters()]}))
