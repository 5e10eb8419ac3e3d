"""The doubles keep the binary interface of the projections: identifiers and slots come from their own tables."""

from __future__ import annotations

from tests.wine.windows import ROOT, WindowsMachine

FOLDER = ROOT / "tests" / "wine" / "doubles"


def test_the_header_is_what_the_installed_projections_say(windows: WindowsMachine) -> None:
    ran = windows.python(str((FOLDER / "generate_abi.py").relative_to(ROOT)))

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == (FOLDER / "winrt_abi.h").read_text(encoding="utf-8")
