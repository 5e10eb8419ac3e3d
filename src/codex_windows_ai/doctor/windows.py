"""Checks of what only Windows has. Elsewhere they say what they would look at.

Everything works without any of it, on the CPU, so what is missing is a warning with its fix and never a failure.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal

from codex_windows_ai.doctor.report import Check, Finding, Status
from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.settings import load_settings

if TYPE_CHECKING:
    from codex_windows_ai.kernel.service import DriverStatus

__all__ = ["driver_finding", "windows_checks"]

_LOOKED_AT = {
    "windows.os_build": "the build of Windows; its own language model needs 26200.7309 (Windows 11 25H2) or newer",
    "windows.app_runtime": "the Windows App Runtime, which the Windows AI APIs belong to",
    "windows.hardware": "AICapabilities: whether this is a Copilot+ PC",
    "windows.ready_state": "LanguageModel.GetReadyState(): whether Windows' own language model is there and ready",
    "windows.package_identity": "GetCurrentPackageFullName: the package identity that Windows' language model asks for",
    "windows.limited_access": "LimitedAccessFeatures: Microsoft's leave to use Windows' own language model",
    "windows.app_actions": "ActionRuntime: the App Actions that installed apps offer",
    "windows.ml_providers": "Windows ML: the execution providers that Windows offers for this machine",
    "windows.gpu": "what ONNX Runtime can use of the GPU, and why not",
    "windows.npu": "what ONNX Runtime can use of the NPU, and why not",
    "windows.agent_registry": "odr.exe: the on-device agent registry, and whether our MCP server is in it",
    "kernel.ai_driver": "the service and the device of ai_driver.sys, and whether Windows would load it",
}


def windows_checks() -> list[Check]:
    """One check for each part of Windows that this program can use."""
    if sys.platform != "win32":
        return [Check(name, partial(_skip, looked_at)) for name, looked_at in _LOOKED_AT.items()]
    return [Check(name, partial(_LOOKS.get(name, _gate), name)) for name in _LOOKED_AT]


def _skip(looked_at: str) -> Finding:
    return Finding("skipped", f"needs Windows; would look at {looked_at}")


@cache
def _gates() -> dict[str, Any]:
    from codex_windows_ai.windows_ai.gates import language_model_gates

    token = load_settings().limited_access_token
    return {gate.id: gate for gate in language_model_gates(token.get_secret_value() if token else None)}


def _gate(name: str) -> Finding:
    gate = _gates()[name.partition(".")[2]]
    statuses: dict[str, Status] = {"open": "ok", "closed": "warning", "unknown": "skipped"}
    return Finding(statuses[gate.state], gate.found, {"state": gate.state}, gate.fix)


def _app_actions(_: str) -> Finding:
    from codex_windows_ai.windows_ai.app_actions import AppActions

    try:
        actions = AppActions()
        try:
            found = actions.list()
        finally:
            actions.close()
    except NotAvailableError as error:
        return Finding("warning", error.message, {}, error.hint)
    details = {"actions": [asdict(action) for action in found]}
    if not found:
        return Finding("ok", "no app on this machine offers an action to this program", details)
    return Finding("ok", f"{len(found)} actions of apps: {', '.join(action.id for action in found)}", details)


def _ml_providers(_: str) -> Finding:
    from codex_windows_ai.devices.windows_ml import list_providers

    try:
        found = list_providers()
    except NotAvailableError as error:
        return Finding("warning", error.message, {}, error.hint)
    details = {"providers": [{**asdict(entry), "library": entry.library and str(entry.library)} for entry in found]}
    if not found:
        return Finding("ok", "Windows offers no execution provider for this machine", details)
    missing = [entry.name for entry in found if entry.state != "ready"]
    listed = ", ".join(f"{entry.name} ({entry.state})" for entry in found)
    if missing:
        return Finding("warning", listed, details, f"cwai gpu fetch {missing[0]}")
    return Finding("ok", listed, details)


def _device(kind: Literal["gpu", "npu"]) -> Finding:
    from codex_windows_ai.devices.devices import find_device

    try:
        device = find_device(kind, load_settings().execution_provider_library)
    except NotAvailableError as error:
        return Finding("warning", error.message, {}, error.hint)
    library = str(device.library.library) if device.library else None
    details = {"execution_provider": device.execution_provider, "luid": device.luid, "library": library}
    return Finding("ok", f"{device.execution_provider} on {device.name}; the engine tries it before the CPU", details)


def _gpu(_: str) -> Finding:
    return _device("gpu")


def _npu(_: str) -> Finding:
    return _device("npu")


def _agent_registry(_: str) -> Finding:
    from codex_windows_ai.agents.agent_registry import IDENTIFIER, AgentRegistry

    try:
        servers = AgentRegistry().list()
    except NotAvailableError as error:
        return Finding("skipped", error.message, {})
    details = {"servers": [server.identifier for server in servers]}
    if IDENTIFIER not in [server.name for server in servers]:
        return Finding("warning", "our MCP server is not in the agent registry", details, "cwai setup odr add")
    return Finding("ok", "our MCP server is in the agent registry", details)


def _driver(_: str) -> Finding:
    from codex_windows_ai.kernel.service import query_driver

    return driver_finding(query_driver())


def driver_finding(status: DriverStatus) -> Finding:
    """What the doctor says to a state of the driver: that it is missing is fine, that it is broken is not."""
    details = {**asdict(status), "image_path": str(status.image_path) if status.image_path else None}
    if status.abi_version is not None:
        by = {"microsoft": "signed by Microsoft", "other": "test-signed", None: "signature unknown"}[status.signer]
        return Finding("ok", f"{status.reason} ({by})", details)
    if status.state == "absent":
        return Finding("skipped", f"{status.reason} (optional: everything works without it)", details, status.fix)
    refused = "".join(f"; Windows would not load it: {obstacle.reason}" for obstacle in status.obstacles)
    return Finding("warning", status.reason + refused, details, status.fix)


_LOOKS: dict[str, Callable[[str], Finding]] = {
    "windows.app_actions": _app_actions,
    "windows.ml_providers": _ml_providers,
    "windows.gpu": _gpu,
    "windows.npu": _npu,
    "windows.agent_registry": _agent_registry,
    "kernel.ai_driver": _driver,
}
