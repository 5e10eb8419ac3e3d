"""A host whose model says "Done.", so that Codex comes to an end: `python -m tests.privacy.scripted_host MODEL`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from signal import SIGTERM, sigwait

from tests.codex_cli.live import CodexHost

if __name__ == "__main__":
    with CodexHost(Path(sys.argv[1]), Path(os.environ["CODEX_WINDOWS_AI_HOME"])):
        print("ready", flush=True)
        sigwait([SIGTERM])
