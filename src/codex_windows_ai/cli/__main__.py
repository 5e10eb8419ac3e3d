"""`python -m codex_windows_ai.cli` is `cwai`."""

from codex_windows_ai.cli.main import main

main()
