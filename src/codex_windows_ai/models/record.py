"""The record beside an installed model's files: what it was made from, and every file's checksum."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models.precision import Precision
from codex_windows_ai.models.storage import sha256

RECORD = "conversion.json"
VERSION = 7
"""Raised when models installed by an earlier release must be made again."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a model was made from. Size and time tell, without reading it, whether a file is still the same."""

    path: str
    bytes: int
    modified_ns: int
    precision: Precision = Precision.OWN
    """What became of its weights, where they were converted."""

    @classmethod
    def of(cls, path: Path, precision: Precision = Precision.OWN) -> Source:
        """Describes a file, or a folder by its configuration."""
        status = path.stat()
        return cls(str(path), status.st_size, status.st_mtime_ns, precision)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the model."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Record:
    """The whole record; `files` by path relative to the folder, with forward slashes."""

    source: Source
    files: dict[str, FileEntry]
    remarks: tuple[str, ...] = ()
    """What the proof of the model had to say to its user."""


def write_record(folder: Path, source: Source, remarks: Sequence[str] = ()) -> None:
    """Writes the record of all files now in `folder`."""
    files = {
        file.relative_to(folder).as_posix(): asdict(FileEntry(file.stat().st_size, sha256(file)))
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != RECORD
    }
    content = {"version": VERSION, "source": asdict(source), "remarks": list(remarks), "files": files}
    (folder / RECORD).write_text(json.dumps(content, indent=1), encoding="utf-8", newline="")


def read_record(folder: Path) -> Record | None:
    """The record in `folder`; None where there is none, or an earlier release wrote it.

    Raises ModelFileError: it does not parse.
    """
    file = folder / RECORD
    try:
        content = cast("dict[str, Any]", json.loads(file.read_text(encoding="utf-8")))
        if content["version"] != VERSION:
            return None
        files = {name: FileEntry(**entry) for name, entry in content["files"].items()}
        source = content["source"]
        source["precision"] = Precision(source["precision"])
        return Record(Source(**source), files, tuple(content.get("remarks", ())))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileError(
            f"Cannot read the model file {file}: {error}",
            hint=f"Remove the model (`cwai models remove {folder.name}`), then fetch or add it again.",
        ) from error
