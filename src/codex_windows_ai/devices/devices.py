"""Which chip the engine runs on: what ONNX Runtime's execution providers offer, and the best of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from codex_windows_ai.devices.windows_ml import Registration, register_libraries
from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.hardware.adapters import list_linux_adapters
from codex_windows_ai.hardware.onnx_runtime import onnxruntime
from codex_windows_ai.models.folder import ModelFolder

__all__ = [
    "Device",
    "choose_device",
    "find_device",
    "fingerprint",
    "list_devices",
    "plain_name",
    "provider_rank",
    "with_names_of_one",
]


Kind = Literal["gpu", "npu", "cpu"]

# Best first: a vendor's own provider before one for several vendors, those before what is built in everywhere.
# Microsoft's winml-cli orders GPU providers so. Names differ in case between documents and builds.
_RANKS: dict[Kind, tuple[str, ...]] = {
    "gpu": ("nvtensorrtrtx", "cuda", "migraphx", "qnn", "openvino", "webgpu", "dml"),
    "npu": ("qnn", "vitisai", "openvino"),
    "cpu": ("cpu",),
}


@dataclass(frozen=True, slots=True)
class Device:
    """A chip as one execution provider drives it.

    `luid` is Windows' number of the adapter, where the provider tells it, `address` the adapter's PCI
    address, which Linux tells. `library` is where the provider comes from; None for one that is built
    into ONNX Runtime.
    """

    kind: Kind
    execution_provider: str
    vendor: str
    name: str
    luid: int | None = None
    address: str | None = None
    library: Registration | None = None
    handle: Any = field(default=None, repr=False, compare=False)
    """ONNX Runtime's own OrtEpDevice."""

    def configure(self, options: Any) -> None:
        """Makes sessions with these SessionOptions run on this device."""
        options.add_provider_for_devices([self.handle], {})


def list_devices(extra_library: Path | None = None) -> list[Device]:
    """Every device that ONNX Runtime can use now, best first of each kind; nothing is downloaded.

    `extra_library` is registered as well; see `register_libraries`.
    """
    registrations = {entry.name.lower(): entry for entry in register_libraries(extra_library) if entry.error is None}
    devices = with_names_of_one([_describe(handle, registrations) for handle in onnxruntime.get_ep_devices()])
    return sorted(devices, key=lambda device: ("gpu", "npu", "cpu").index(device.kind) * 100 + _rank_of(device))


def find_device(kind: Kind, extra_library: Path | None = None) -> Device:
    """The best device of a kind that ONNX Runtime can use now; see `list_devices`.

    Raises NotAvailableError: there is none; the message says what there is.
    """
    return choose_device(kind, list_devices(extra_library))


def with_names_of_one(devices: Sequence[Device]) -> list[Device]:
    """`devices`, where those of WebGPU's provider are named for all GPUs that it drives.

    Whichever it is given, it takes the one that the graphics driver prefers, and does not say which.
    """
    same = [device for device in devices if device.kind == "gpu" and plain_name(device.execution_provider) == "webgpu"]
    if len(same) < 2:
        return list(devices)
    name = " or ".join(dict.fromkeys(device.name for device in same))
    return [replace(each, name=name, luid=None, address=None) if each in same else each for each in devices]


def choose_device(kind: Kind, devices: Sequence[Device]) -> Device:
    """The best device of a kind; of those of one rank the first.

    Raises NotAvailableError: there is none; the message says what there is.
    """
    if of_kind := [device for device in devices if device.kind == kind]:
        return min(of_kind, key=_rank_of)
    there = ", ".join(f"{device.execution_provider} on the {device.kind.upper()}" for device in devices)
    failed = [f"; {entry.name} could not be loaded: {entry.error}" for entry in register_libraries() if entry.error]
    raise NotAvailableError(
        f"no execution provider for {'an NPU' if kind == 'npu' else 'a GPU'} is installed (there is: {there})"
        + "".join(failed),
        hint="`cwai gpu path` says what Windows offers for this machine and how to fetch it.",
    )


def provider_rank(kind: Kind, execution_provider: str) -> int:
    """How good a provider is for a kind of device, 0 the best; one that is not known ranks behind all that are."""
    plain = plain_name(execution_provider)
    names = _RANKS[kind]
    return names.index(plain) if plain in names else len(names)


def fingerprint(folder: ModelFolder, device: Device) -> str:
    """Names a model file together with a device and the version of what drives it: what is true of one may change."""
    what = [_version_of(folder.model_file), device.execution_provider, device.name, onnxruntime.__version__]
    if device.library:
        what += [device.library.version or "", _version_of(device.library.library)]
    return hashlib.sha256(os.fsencode("\n".join(what))).hexdigest()[:16]


def _version_of(file: Path) -> str:
    state = file.stat()
    return f"{file} {state.st_size} {state.st_mtime_ns}"


def plain_name(execution_provider: str) -> str:
    """A provider's name without the ending that some documents and builds leave out, in lower case."""
    return execution_provider.lower().removesuffix("executionprovider")


def _rank_of(device: Device) -> int:
    return provider_rank(device.kind, device.execution_provider)


def _describe(handle: Any, registrations: dict[str, Registration]) -> Device:
    hardware, provider = handle.device, str(handle.ep_name)
    about: dict[str, str] = {**dict(hardware.metadata), **dict(handle.ep_metadata)}
    kind: Kind = {"GPU": "gpu", "NPU": "npu"}.get(str(hardware.type.name), "cpu")  # pyright: ignore[reportAssignmentType]  # the dictionary's values are kinds
    luid = about.get("LUID", "")
    library = registrations.get(provider.lower()) or _library_of(about, registrations)
    return Device(
        kind=kind,
        execution_provider=provider,
        vendor=str(hardware.vendor or handle.ep_vendor),
        name=about.get("Description") or _name_on_bus(about.get("pci_bus_id")) or str(hardware.vendor),
        luid=int(luid) if luid.isdigit() else None,
        address=about.get("pci_bus_id"),
        library=library,
        handle=handle,
    )


def _name_on_bus(address: str | None) -> str | None:
    """What Linux knows of the adapter at a PCI address: there ONNX Runtime tells no more than that address."""
    if address is None:
        return None
    return next((adapter.name for adapter in list_linux_adapters() if adapter.address == address), None)


def _library_of(about: dict[str, str], registrations: dict[str, Registration]) -> Registration | None:
    """The library of a provider that was registered under another name than its own."""
    path = about.get("library_path")
    return next((entry for entry in registrations.values() if path and entry.library == Path(path)), None)
