"""The public names of the package."""

from __future__ import annotations

import subprocess
import sys

import pytest

import codex_windows_ai


@pytest.mark.parametrize("name", codex_windows_ai.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(codex_windows_ai, name).__name__ == name


def test_the_listed_names_are_exactly_those_with_a_home() -> None:
    """`dir` gives the names that have a home."""
    assert sorted(codex_windows_ai.__all__) == codex_windows_ai.__all__ == dir(codex_windows_ai)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = codex_windows_ai.no_such_name


def test_importing_the_package_imports_none_of_its_modules() -> None:
    script = (
        "import sys, codex_windows_ai; print([name for name in sys.modules if name.startswith('codex_windows_ai.')])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True)

    assert ran.stdout == "[]\n"
