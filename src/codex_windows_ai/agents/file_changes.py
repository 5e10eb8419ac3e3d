"""Changes to configuration files of other programs: shown before they are made, refused over a user's own, undone.

A record of ours keeps what each file held before and the checksum of what was written, so that `restore` puts a file
back byte by byte. In a file that was edited since, it takes out only what is ours.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from codex_windows_ai.errors import SetupConflictError, StorageError
from codex_windows_ai.settings import settings_file


@dataclass(frozen=True, slots=True)
class FileChange:
    """What a file holds and shall hold; None is no file.

    `entry` names our part of a shared JSON file, `lines` are our part of a shared file of lines.
    """

    path: Path
    before: str | None
    after: str | None
    entry: tuple[str, str] | None = None
    lines: str | None = None

    def diff(self) -> str:
        """The change as a unified diff; empty where there is none."""
        old, new = ("/dev/null" if text is None else str(self.path) for text in (self.before, self.after))
        return "".join(difflib.unified_diff(_lines(self.before), _lines(self.after), old, new))


@dataclass(frozen=True, slots=True)
class _Recorded:
    before: str | None
    written: str
    """SHA-256 of the text that was written."""
    entry: tuple[str, str] | None = None
    lines: str | None = None


def plan_file(path: Path, text: str, *, force: bool = False) -> FileChange:
    """The change that makes a whole file ours.

    Raises SetupConflictError: the file is not ours, or was edited since, and `force` is not given.
    """
    current = read_text(path)
    recorded = _read_record().get(_key(path))
    ours = current is None or current == text or (recorded is not None and _digest(current) == recorded.written)
    if not ours and not force:
        reason = "was edited since it was written" if recorded else "is there already and is not ours"
        raise SetupConflictError(
            f"The file {path} {reason}.",
            hint="Move it away, or give --force: what it holds is then replaced, and `restore` puts back "
            "what was there before the first setup.",
        )
    return FileChange(path, current, text)


def plan_entry(path: Path, entry: tuple[str, str], value: Mapping[str, Any], *, force: bool = False) -> FileChange:
    """The change that puts `value` into an object of a JSON file (`entry`: object, name) and leaves all else as it is.

    Raises SetupConflictError: another value is there and `force` is not given, or the file is not plain JSON.
    """
    current = read_text(path)
    document = _parse(path, current)
    section = _section(path, document, entry[0])
    found = section.get(entry[1])
    if found == value:
        return FileChange(path, current, current, entry)
    if found is not None and not force and _key(path) not in _read_record():
        raise SetupConflictError(
            f"{path} has an entry `{'.'.join(entry)}` already, which is not ours.",
            hint="Rename or remove it, or give --force: `restore` puts it back.",
        )
    section[entry[1]] = dict(value)
    return FileChange(path, current, _dump(document, like=current), entry)


def plan_lines(path: Path, lines: str) -> FileChange:
    """The change that puts `lines` (whole ones) at the end of a file, in the place of earlier ones of ours."""
    current = read_text(path)
    recorded = _read_record().get(_key(path))
    others = _without_lines(current or "", recorded.lines if recorded else None)
    if current is not None and lines in current:
        return FileChange(path, current, current, lines=lines)
    gap = "\n" if others and not others.endswith("\n") else ""
    return FileChange(path, current, f"{others}{gap}{lines}", lines=lines)


def apply(changes: Iterable[FileChange]) -> None:
    """Makes the changes and remembers how to undo them. Raises StorageError: a file cannot be written."""
    record = _read_record()
    for change in changes:
        if change.after is None or change.after == change.before:
            continue
        before = _to_restore(change, record.get(_key(change.path)))
        record[_key(change.path)] = _Recorded(before, _digest(change.after), change.entry, change.lines)
        _write_record(record)  # first: what is written can then be undone whatever happens
        write_text(change.path, change.after)


def _to_restore(change: FileChange, earlier: _Recorded | None) -> str | None:
    """What `restore` shall put back: what was there before the first setup, with the user's edits of a shared file."""
    if earlier is None:
        return change.before
    if change.before is not None and _digest(change.before) != earlier.written:
        if change.entry:
            return _without_ours(change.path, change.before, change.entry, earlier)
        if change.lines:
            return _without_lines(change.before, earlier.lines)
    return earlier.before


def plan_restore(paths: Iterable[Path], *, force: bool = False) -> list[FileChange]:
    """The changes that undo what `apply` did to these files; none for files that it did not touch.

    Raises SetupConflictError: one was edited since so that what is ours cannot be told apart, and `force` is not given.
    """
    record = _read_record()
    return [_undo(path, recorded, force=force) for path in paths if (recorded := record.get(_key(path)))]


def _undo(path: Path, recorded: _Recorded, *, force: bool) -> FileChange:
    current = read_text(path)
    if current is None:  # somebody deleted it: so it stays
        return FileChange(path, None, None, recorded.entry)
    if _digest(current) == recorded.written:
        return FileChange(path, current, recorded.before, recorded.entry)
    if recorded.entry:
        return FileChange(path, current, _without_ours(path, current, recorded.entry, recorded), recorded.entry)
    if recorded.lines:
        return FileChange(path, current, _without_lines(current, recorded.lines), lines=recorded.lines)
    if force:
        return FileChange(path, current, recorded.before)
    raise SetupConflictError(
        f"The file {path} was edited since it was written.",
        hint="Delete it yourself, or give --force: the edits are lost.",
    )


def _without_ours(path: Path, text: str | None, entry: tuple[str, str], recorded: _Recorded) -> str:
    """An edited JSON file with our entry taken out, or the user's own entry put back in its place."""
    name, key = entry
    document, before = _parse(path, text), _parse(path, recorded.before)
    section, had_section = _section(path, document, name), name in before
    section.pop(key, None)
    if key in (original := _section(path, before, name)):
        section[key] = original[key]
    if not section and not had_section:
        del document[name]
    return _dump(document, like=text)


def _without_lines(text: str, lines: str | None) -> str:
    return text.replace(lines, "") if lines else text


def restore(changes: Iterable[FileChange]) -> None:
    """Makes the changes of `plan_restore` and forgets the files. Raises StorageError: one cannot be written."""
    record = _read_record()
    for change in changes:
        if change.after is None and change.before is not None:
            _remove(change.path)
        elif change.after is not None and change.after != change.before:
            write_text(change.path, change.after)
        record.pop(_key(change.path), None)
        _write_record(record)


def is_recorded(path: Path) -> bool:
    """Whether `apply` wrote this file (and `restore` has not undone it)."""
    return _key(path) in _read_record()


def read_text(path: Path) -> str | None:
    """What a file holds; None where there is none. Raises StorageError: it cannot be read as UTF-8 text."""
    try:
        # newline="": line ends are the user's, and come back as they were.
        with path.open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"Cannot read {path}: {error}") from error


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all, through links, keeping its mode. Raises StorageError: it cannot be."""
    target = path.resolve()  # a link (dotfiles kept elsewhere) stays a link
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="", dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as stream:
            temporary = Path(stream.name)
            stream.write(text)
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o777)
        temporary.replace(target)
    except OSError as error:
        if temporary:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        raise StorageError(f"Cannot write {path}: {error.strerror or error}") from error


def _remove(path: Path) -> None:
    try:
        path.resolve().unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"Cannot delete {path}: {error.strerror or error}") from error


def _record_file() -> Path:
    return settings_file().parent / "setup.json"


def _read_record() -> dict[str, _Recorded]:
    text = read_text(_record_file())
    if text is None:
        return {}
    try:
        items = cast("dict[str, dict[str, Any]]", json.loads(text))
        return {
            path: _Recorded(
                item["before"],
                item["written"],
                item["entry"] and (item["entry"][0], item["entry"][1]),
                item.get("lines"),  # not in the records of the first versions
            )
            for path, item in items.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(
            f"The record of changed files {_record_file()} is damaged: {error!r}.",
            hint="Delete it; files that it named are then taken for your own.",
        ) from error


def _write_record(record: Mapping[str, _Recorded]) -> None:
    if record:
        items = {path: asdict(item) for path, item in record.items()}
        write_text(_record_file(), json.dumps(items, ensure_ascii=False, indent=2) + "\n")
    else:
        _remove(_record_file())


def _key(path: Path) -> str:
    return os.path.normcase(path.absolute())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _lines(text: str | None) -> list[str]:
    lines = (text or "").splitlines(keepends=True)
    return [line if line.endswith("\n") else f"{line}\n" for line in lines]


def _parse(path: Path, text: str | None) -> dict[str, Any]:
    """A JSON object; an empty file is an empty one."""
    try:
        document: Any = json.loads(text) if text and text.strip() else {}
    except ValueError as error:
        raise SetupConflictError(
            f"{path} is not plain JSON: {error}.",
            hint="Comments would be lost by a program's edit: put the printed entry in by hand.",
        ) from error
    if not isinstance(document, dict):
        raise SetupConflictError(f"{path} does not hold a JSON object.", hint="Correct the file first.")
    return cast("dict[str, Any]", document)


def _section(path: Path, document: dict[str, Any], name: str) -> dict[str, Any]:
    """An object of the document, put in where it is missing."""
    section: Any = document.setdefault(name, {})
    if not isinstance(section, dict):
        raise SetupConflictError(f"`{name}` in {path} is not an object.", hint="Correct the file first.")
    return cast("dict[str, Any]", section)


def _dump(document: Mapping[str, Any], *, like: str | None) -> str:
    """The document indented as the text it replaces."""
    second = next((line for line in (like or "").splitlines()[1:] if line.strip()), "  ")
    indent = second[: len(second) - len(second.lstrip())] or "  "
    return json.dumps(document, ensure_ascii=False, indent=indent) + "\n"
