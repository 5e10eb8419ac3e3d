"""What may lie in a model folder, and how its files are read: nothing that it names is outside of it.

A folder comes from anywhere. Links that lead out of it are not followed, for what they lead to would be read, and
copied to where the models are; pipes and devices are not opened, for that may wait for ever.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, cast

from codex_windows_ai.errors import ModelFileError

MOST_TEXT_BYTES = 1 << 22
"""Of a configuration or a chat template; JSON takes up to thirty times its size in memory."""
MOST_TOKENIZER_BYTES = 1 << 27
"""Of a tokenizer's file: the largest known are a quarter of that."""

_MOST_SHOWN = 80


def folder_files(folder: Path) -> list[Path]:
    """All files below a folder, sorted.

    Raises ModelFileError: a link that leads out of the folder, or something that is neither file nor folder.
    """
    found: list[Path] = []

    def fail(error: OSError) -> None:
        raise error

    for place, folders, files in os.walk(folder, onerror=fail):
        for name in folders:
            if _leads_elsewhere(Path(place) / name):
                raise _link_error(Path(place) / name)
        found += [checked_file(Path(place) / name, folder) for name in files]
    return sorted(found)


def inner_file(folder: Path, name: str, named_by: str) -> Path:
    """The file of that name in a folder; `named_by` says what names it.

    Raises ModelFileError: the name leads out of the folder; or as `checked_file`.
    """
    anywhere = PureWindowsPath(name)  # which takes both kinds of slashes
    if not name or anywhere.anchor or PurePosixPath(name).is_absolute() or ".." in anywhere.parts:
        raise ModelFileError(
            f"{named_by} names the file {shown(name)}, which does not lie in the model folder.",
            hint="Put the file into the model folder, and name it by its place there.",
        )
    return checked_file(folder / name, folder)


def checked_file(file: Path, folder: Path) -> Path:
    """The file itself, once it was looked at, unopened.

    Raises ModelFileError: it is missing, no regular file, or a link that leads out of the folder.
    """
    try:
        mode = file.stat().st_mode
        place = file.resolve()
    except (FileNotFoundError, NotADirectoryError) as error:
        if file.is_symlink():
            raise _link_error(file) from error
        raise ModelFileError(f"The model file {file} is missing.", hint="Fetch or convert the model again.") from error
    except (OSError, RuntimeError, ValueError) as error:  # a link to itself, a name that cannot be one
        raise ModelFileError(f"Cannot read the model file {file.parent / shown(file.name)}: {error}") from error
    if not place.is_relative_to(folder.resolve()):
        raise _link_error(file)
    if not stat.S_ISREG(mode):
        raise ModelFileError(
            f"{file} is a {_kind(mode)}, where a model folder has files.", hint="Remove it from the model folder."
        )
    return file


def read_text(file: Path, folder: Path, most: int = MOST_TEXT_BYTES) -> str:
    """The text of a file of the folder. Raises ModelFileError: too large, or not UTF-8; or as `checked_file`."""
    try:
        with checked_file(file, folder).open("rb") as stream:
            content = stream.read(most + 1)
        if len(content) > most:
            raise ModelFileError(f"The model file {file} has more than {most:,} bytes.", hint="Fetch the model again.")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelFileError(
            f"The model file {file} is not UTF-8: the byte {error.object[error.start]:#04x} at {error.start} begins no "
            "character.",
            hint="Save it as UTF-8.",
        ) from error
    except OSError as error:
        raise ModelFileError(f"Cannot read the model file {file}: {error}") from error


def read_object(file: Path, folder: Path, most: int = MOST_TEXT_BYTES) -> dict[str, Any]:
    """The JSON object in a file of the folder. Raises ModelFileError: it holds none; or as `read_text`."""
    try:
        value: Any = json.loads(read_text(file, folder, most))
    except RecursionError as error:
        raise ModelFileError(f"The model file {file} is nested too deep.", hint="Fetch the model again.") from error
    except ValueError as error:  # also a number of thousands of digits
        raise ModelFileError(f"Cannot read the model file {file}: {error}") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"The model file {file} must hold a JSON object.")
    return cast("dict[str, Any]", value)


def shown(text: str) -> str:
    """A text out of a file as messages show it: quoted, on one line, and not without end."""
    cut = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
    return f"`{cut}`" if cut.isprintable() else repr(cut)


def _leads_elsewhere(folder: Path) -> bool:
    """Whether this is a link, or a junction of Windows."""
    return folder.is_symlink() or folder.resolve() != folder.parent.resolve() / folder.name


def _link_error(link: Path) -> ModelFileError:
    return ModelFileError(
        f"{link} is a link that leads out of the model folder, or nowhere; such links are not followed.",
        hint="Copy the model with the files that its links lead to, such as by `cp -rL FOLDER COPY`, and add the copy.",
    )


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFDIR: "folder"}
    return kinds.get(stat.S_IFMT(mode), "device")
