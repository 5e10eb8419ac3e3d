"""Which release this is."""

from __future__ import annotations

from functools import cache
from importlib import metadata

__all__ = ["release"]


@cache
def release() -> str:
    """The version of this program, as installed: read once, as every answer names it and finding it reads files."""
    return metadata.version("codex-windows-ai")
