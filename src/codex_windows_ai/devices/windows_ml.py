"""Windows ML: the execution providers that Windows has for this machine's chips, fetched on request only.

The catalogue is Microsoft's package `windowsml`, over a flat library. What it finds is registered by path: its own
functions for that register with another copy of ONNX Runtime than Python's.
"""

from __future__ import annotations

import atexit
import sys
import threading
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast

from codex_windows_ai.errors import InvalidRequestError, NotAvailableError
from codex_windows_ai.hardware.hresult import code_of, describe, meaning_of
from codex_windows_ai.hardware.inference import first_line
from codex_windows_ai.hardware.onnx_runtime import onnxruntime
from codex_windows_ai.models.progress import Progress, silent

__all__ = ["CatalogProvider", "Registration", "fetch_provider", "list_providers", "register_libraries"]


State = Literal["ready", "not-ready", "not-present"]
Source = Literal["catalog", "package", "setting"]
_STATES: tuple[State, ...] = ("ready", "not-ready", "not-present")
_CERTIFICATIONS = (None, True, False)  # unknown, certified, uncertified
_POLL_SECONDS = 0.1
_WEBGPU_PACKAGE = "onnxruntime_ep_webgpu"

_lock = threading.RLock()
_catalog: Any = None
_registered: dict[str, Registration] = {}


@dataclass(frozen=True, slots=True)
class CatalogProvider:
    """An execution provider that Windows offers for this machine.

    `not-present` ones are downloaded first (hundreds of megabytes), `not-ready` ones are here already.
    `library` is known once it is ready; `certified` is None where Windows does not say.
    """

    name: str
    version: str
    state: State
    certified: bool | None
    library: Path | None
    package: str


@dataclass(frozen=True, slots=True)
class Registration:
    """A provider's library, known to ONNX Runtime in this process, or the reason why it is not."""

    name: str
    library: Path
    version: str | None
    source: Source
    error: str | None = None


def list_providers() -> list[CatalogProvider]:
    """What Windows offers for this machine; downloads nothing.

    Raises NotAvailableError: this is not Windows, or Windows ML does not answer.
    """
    with _lock:
        try:
            return [_describe(provider) for provider in _open_catalog().find_all_providers()]
        except OSError as error:
            raise NotAvailableError(
                f"Windows ML does not list its execution providers: {describe(error)}.",
                hint=meaning_of(code_of(error)).fix,
            ) from error


def fetch_provider(
    name: str, *, progress: Progress | None = None, cancel: threading.Event | None = None
) -> CatalogProvider:
    """Makes a provider ready, downloading it where it is not here; `progress` counts in thousandths.

    Setting `cancel` ends it. Names are compared without regard to case.

    Raises InvalidRequestError: Windows offers no such provider here. NotAvailableError: it could not be made ready,
    or was cancelled.
    """
    report, stop = progress or silent, cancel or threading.Event()
    with _lock:
        offered = {str(provider.name).lower(): provider for provider in _open_catalog().find_all_providers()}
        provider = offered.get(name.lower())
        if provider is None:
            known = ", ".join(sorted(str(each.name) for each in offered.values())) or "none"
            raise InvalidRequestError(f"Windows offers no execution provider {name!r} here; it offers: {known}.")
        finished = threading.Event()
        stage = f"fetching {provider.name}"

        def tell(share: float) -> None:
            report(stage, round(share * 1000), 1000)

        operation = provider.ensure_ready_async(finished.set, tell)
        try:
            while not finished.wait(_POLL_SECONDS):
                if stop.is_set():
                    operation.cancel()
                    finished.wait()
            operation.wait()
        except OSError as error:
            if stop.is_set():
                raise NotAvailableError(f"{stage} was cancelled.") from error
            raise NotAvailableError(
                f"{stage} failed: {describe(error)}.", hint=meaning_of(code_of(error)).fix
            ) from error
        finally:
            operation.close()
        return _describe(provider)


def register_libraries(extra: Path | None = None) -> list[Registration]:
    """Makes providers known to ONNX Runtime, each once a process: all ready ones of Windows, and the library `extra`.

    The package `onnxruntime-ep-webgpu`, where it is installed, has one for the GPUs of every vendor. Nothing is
    downloaded. What could not be registered is in the list with its error.
    """
    with _lock:
        try:
            offered = list_providers()
        except NotAvailableError:
            offered = []
        for provider in offered:
            if provider.library is not None:
                _register(provider.name, provider.library, provider.version or None, "catalog")
        if find_spec(_WEBGPU_PACKAGE):
            library: str = import_module(_WEBGPU_PACKAGE).get_library_path()
            _register("webgpu", Path(library), metadata.version(_WEBGPU_PACKAGE), "package")
        if extra is not None:
            _register(extra.stem, extra.absolute(), None, "setting")
        return list(_registered.values())


def _register(name: str, library: Path, version: str | None, source: Source) -> None:
    if str(library) in _registered:
        return
    error = None
    try:
        onnxruntime.register_execution_provider_library(name, str(library))
        # ONNX Runtime GenAI keeps a register of its own.
        if find_spec("onnxruntime_genai"):
            import onnxruntime_genai as untyped_genai  # pyright: ignore[reportMissingImports]  # not everywhere there

            cast("Any", untyped_genai).register_execution_provider_library(name, str(library))
    except Exception as failure:  # each of the two raises classes of its own
        error = first_line(failure)
    _registered[str(library)] = Registration(name, library, version, source, error)


def _open_catalog() -> Any:
    """The one catalogue of this process.

    It is never closed: releasing it crashes some vendors' drivers (microsoft/winml-cli keeps it, too).
    """
    global _catalog  # one a process, as the drivers behind it want
    if _catalog is None:
        if sys.platform != "win32":
            raise NotAvailableError("Windows ML needs Windows.")
        try:
            from windowsml import EpCatalog

            _catalog = EpCatalog()
        except OSError as error:
            raise NotAvailableError(
                f"Windows ML's library cannot be loaded: {describe(error)}.",
                hint="Windows 11 24H2 (build 26100) or newer is needed; install the package `windowsml` again.",
            ) from error
        atexit.register(_forget_catalog)
    return _catalog


def _forget_catalog() -> None:
    catalog = _catalog
    catalog._handle = None  # what its finaliser would release


def _describe(provider: Any) -> CatalogProvider:
    library = str(provider.library_path)
    return CatalogProvider(
        name=str(provider.name),
        version=str(provider.version),
        state=_STATES[int(provider.ready_state)],
        certified=_CERTIFICATIONS[int(provider.certification)],
        library=Path(library) if library else None,
        package=str(provider.package_family_name),
    )
