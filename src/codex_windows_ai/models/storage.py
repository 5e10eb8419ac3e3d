"""Files and folders on the disk, checksums; room there and in memory, asked for before it is needed."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from codex_windows_ai.errors import StorageError, UnsupportedModelError
from codex_windows_ai.hardware.memory import read_memory

LEAST_WINDOW = 512
"""Tokens; with fewer a model is of no use."""
_MEGABYTE = 1_000_000


def make_folder(folder: Path) -> None:
    """Makes a folder and its parents. Raises StorageError: it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"Cannot make the folder {folder}: {error.strerror or error}.",
            hint="Set CODEX_WINDOWS_AI_HOME to a folder that you can write to.",
        ) from error


def require_space(folder: Path, needed: int, purpose: str) -> None:
    """Checks that `needed` bytes are free where `folder` is. Raises StorageError: they are not."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"{purpose} needs {needed / _MEGABYTE:,.0f} MB in {folder}, but only {free / _MEGABYTE:,.0f} MB are free.",
            hint="Free some space, or set CODEX_WINDOWS_AI_HOME to a folder on a larger disk.",
        )


def require_memory(weights: int, token_bytes: int, name: str, window: int = LEAST_WINDOW) -> None:
    """Checks that the weights, and keys and values of the least useful window, fit into this machine's memory.

    `token_bytes` is what one token takes; `window` the model's own, where that is known. Raises UnsupportedModelError.
    """
    total, needed = read_memory().total, weights + min(window, LEAST_WINDOW) * token_bytes
    if needed > total:
        raise UnsupportedModelError(
            f"The model {name} needs {needed / _MEGABYTE:,.0f} MB of memory, weights and {min(window, LEAST_WINDOW)} "
            f"tokens, but this machine has {total / _MEGABYTE:,.0f} MB.",
            hint="Use a smaller model.",
        )


def sha256(file: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
