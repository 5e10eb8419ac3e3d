"""The host as users run it, as a measured process.

Run as `python -m codex_windows_ai.bench.workers.host HOME SETTINGS`: `HOME` is where its state is kept, apart from the
user's own host; `SETTINGS` is a JSON object with fields of `Settings`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

from codex_windows_ai.bench.workers.lines import Lines
from codex_windows_ai.settings import ENVIRONMENT_PREFIX, Settings


def main() -> None:
    """Serve until standard input ends."""
    home, given = sys.argv[1:3]
    os.environ[f"{ENVIRONMENT_PREFIX}HOME"] = home
    from codex_windows_ai.host.process import ServeOptions, serve

    lines = Lines()
    loop_thread = threading.main_thread().native_id

    def answer() -> None:
        for message in lines.read():
            done: dict[str, Any] = {"loop_thread": loop_thread}
            lines.write({"id": message["id"], "done": done})

    threading.Thread(target=answer, daemon=True).start()
    settings = Settings(**json.loads(given), port=0, idle_stop=0)
    serve(settings, ServeOptions(), on_listening=lambda _: lines.write({"ready": True}))


if __name__ == "__main__":
    main()
