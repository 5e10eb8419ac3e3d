"""How programs of one user find their one host: a lock, a record and a token in the state folder.

Who holds the lock is the host; the operating system lets go of it however the process ends. The
record says where the host listens. What a crash leaves of it is recognised as stale, because the
process it names does not run any more or is another one of the same number.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import psutil

from codex_windows_ai.errors import HostRunsAlreadyError, InvalidRequestError, StorageError
from codex_windows_ai.settings import state_folder

_SCHEMA_VERSION = 2
_LEAST_TOKEN_CHARACTERS = 16
_MODE_OF_OTHERS = 0o066
"""Reading and writing, by the file's group and by everybody."""

_TEMPORARY = "~"
_REPLACE_ATTEMPTS = 20
_REPLACE_SECONDS = 0.05


def record_file() -> Path:
    """Where the running host says how to reach it."""
    return state_folder() / "host.json"


def log_file() -> Path:
    """What a host that was started on demand writes."""
    return state_folder() / "host.log"


def channel_socket() -> Path:
    """Where the host of this user hands out channels on Linux."""
    return state_folder() / "channel.sock"


@dataclass(frozen=True, slots=True)
class HostRecord:
    """How to reach the host, and which process it is.

    `models` is what it serves, by name; empty until the first one is loaded. `default_model` (a name, or a model
    folder), `provider` and `require_device` are the settings it was started with. `process_start` tells the process
    from a later one of the same number.
    """

    url: str
    port: int
    token_file: str
    pid: int
    process_start: str
    version: str
    default_model: str = ""
    provider: str = ""
    require_device: str | None = None
    models: tuple[str, ...] = ()
    on_demand: bool = False

    @property
    def alive(self) -> bool:
        """The process that wrote this still runs."""
        return process_start(self.pid) == self.process_start

    def serves(self, model: str) -> bool:
        """Whether the host answers for a model, by the name it has or the folder it was started with."""
        return model == self.default_model or model in self.models

    def read_token(self) -> str:
        """The token that the host asks for. Raises StorageError: its file cannot be read."""
        return read_token(Path(self.token_file))


def process_start(pid: int) -> str | None:
    """When a process began, as text that only a process of the same life has; None when none runs.

    On Linux psutil computes it from the wall clock, which may jump, so the kernel's own ticks since
    boot are taken there (field 22 of /proc/PID/stat, see proc(5)); a process that has ended but is
    not yet reaped runs no more.
    """
    try:
        if psutil.LINUX:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            after_name = stat.rpartition(")")[2].split()
            return None if after_name[0] in "ZX" else after_name[19]
        return repr(psutil.Process(pid).create_time())
    except (OSError, psutil.Error):
        return None


def read_record(file: Path | None = None) -> HostRecord | None:
    """The record of a host that runs, by default this user's; None where there is only a stale one, or none.

    A host of another version is found too, whatever else its record says or leaves out: it must be
    possible to tell it apart and to end it.
    """
    try:
        content = json.loads((file or record_file()).read_text(encoding="utf-8"))
        content["models"] = tuple(content.get("models", ()))
        names = content.keys() & {field.name for field in fields(HostRecord)}
        record = HostRecord(**{name: content[name] for name in names})
        return record if record.alive else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def write_record(record: HostRecord) -> None:
    """Makes the host findable. Raises StorageError: the file cannot be written."""
    content: dict[str, Any] = {"schema_version": _SCHEMA_VERSION, **asdict(record)}
    _write_private(record_file(), json.dumps(content, indent=2) + "\n")


def is_recorded(record: HostRecord) -> bool:
    """Whether it still is that process that clients find."""
    current = read_record()
    return current is not None and current.pid == record.pid


def remove_record(record: HostRecord) -> None:
    """Takes the record away, if it still is that process's."""
    if is_recorded(record):
        with contextlib.suppress(OSError):
            record_file().unlink()


@contextmanager
def host_lock() -> Generator[None]:
    """Makes this process the one host of the user.

    Raises HostRunsAlreadyError: another one is. StorageError: the state folder cannot be written.
    """
    from filelock import FileLock, Timeout

    from codex_windows_ai.models.storage import make_folder

    folder = state_folder()
    make_folder(folder)
    lock = FileLock(folder / "host.lock")
    try:
        folder.chmod(0o700)
        lock.acquire(timeout=0)
    except Timeout:
        record = read_record()
        where = f" at {record.url} (process {record.pid})" if record else ""
        raise HostRunsAlreadyError(
            f"A host runs already{where}.", hint="`cwai status` shows it; `cwai stop` ends it."
        ) from None
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        for leftover in folder.glob(f".*{_TEMPORARY}*"):  # of a host that was killed while it wrote
            leftover.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def own_token_file() -> Path:
    """The file of the user's own token, made the first time; clients may be configured with it for good.

    Raises StorageError: it cannot be written.
    """
    file = state_folder() / "token"
    if not file.exists():
        _write_private(file, secrets.token_urlsafe(32) + "\n")
    return file


def read_token(file: Path) -> str:
    """The token in a file.

    Raises StorageError: it cannot be read. InvalidRequestError: other users can read or write it, or it is too short
    to protect anything.
    """
    try:
        if os.name == "posix" and file.stat().st_mode & _MODE_OF_OTHERS:
            raise InvalidRequestError(
                f"Other users of this machine may read or write the token file {file}.",
                hint=f"`chmod 600 {file}` keeps them out; write another token into it if one of them may have read it.",
            )
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"Cannot read the token file {file}: {error}") from error
    if len(token) < _LEAST_TOKEN_CHARACTERS or not token.isascii() or len(token.split()) != 1:
        raise InvalidRequestError(
            f"The token file {file} does not hold one word of {_LEAST_TOKEN_CHARACTERS} or more ASCII characters.",
            hint="Write a long random text into it, such as `openssl rand -hex 32` prints, or delete it if it is "
            "the one in the state folder: the next host makes another.",
        )
    return token


def _write_private(file: Path, text: str) -> None:
    """Writes a whole file or none, readable by its user only."""
    temporary: str | None = None
    try:
        # mkstemp gives the file to its user alone (0600); on Windows the profile folder does.
        handle, temporary = tempfile.mkstemp(prefix=f".{file.name}{_TEMPORARY}", dir=file.parent)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        _replace(Path(temporary), file)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise _cannot_write(file, error) from error


def _replace(source: Path, target: Path) -> None:
    """Moves a file over another; on Windows that fails for as long as somebody reads the other one."""
    for _ in range(_REPLACE_ATTEMPTS):
        with contextlib.suppress(PermissionError):
            source.replace(target)
            return
        time.sleep(_REPLACE_SECONDS)
    source.replace(target)


def _cannot_write(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"Cannot write {path}: {error.strerror or error}.",
        hint="Free some space or mend the permissions there, or set CODEX_WINDOWS_AI_HOME to another folder.",
    )
