"""Checks of what could leave this machine: telemetry of libraries, and proxies between its own programs."""

from __future__ import annotations

import os
import urllib.request

import codex_windows_ai
from codex_windows_ai.agents.file_changes import read_text
from codex_windows_ai.client.proxies import LOOPBACK
from codex_windows_ai.codex.setup import ENVIRONMENT_HEADING, setup_files
from codex_windows_ai.doctor.machine import installed_version
from codex_windows_ai.doctor.report import Check, Finding

__all__ = ["privacy_checks"]

# Those that send by themselves unless the variable is set; SECURITY.md says what was found in each.
_COLLECTORS = ("onnxruntime", "onnxruntime-windowsml", "onnxruntime-genai", "onnxruntime-ep-webgpu")

_PROXIED = ("http", "https", "all")
_NAMES_IN_USE = ("127.0.0.1", "localhost")
"""How clients that people configure call the host."""


def privacy_checks() -> list[Check]:
    """One check for each way on which something could leave this machine unasked."""
    return [Check("privacy.telemetry", _telemetry), Check("privacy.proxies", _proxies)]


def _telemetry() -> Finding:
    variable, given = codex_windows_ai.TELEMETRY_VARIABLE, codex_windows_ai.TELEMETRY_GIVEN
    libraries = {name: found for name in _COLLECTORS if (found := installed_version(name))}
    details = {"variable": variable, "given": given, "libraries": libraries}
    listed = ", ".join(f"{name} {found}" for name, found in libraries.items())
    if os.environ.get(variable) != "1":
        fix = f"Leave {variable} as codex_windows_ai sets it."
        return Finding("fail", f"{variable} was changed since: {listed} may send telemetry", details, fix)
    overruled = f" (the environment's own {variable}={given} is overruled)" if given not in (None, "1") else ""
    return Finding("ok", f"off in {listed}, by {variable}=1{overruled}", details)


def _proxies() -> Finding:
    found = urllib.request.getproxies()  # those of the environment, else of Windows' or macOS' settings
    proxies = [f"{scheme.upper()}_PROXY" for scheme in _PROXIED if scheme in found]  # an address may hold a password
    if not proxies:
        return Finding("ok", "none is set: this machine's host is reached directly", {"proxies": []})
    through = [name for name in _NAMES_IN_USE if not urllib.request.proxy_bypass(name)]
    details = {"proxies": proxies, "through_proxy": through, "codex_goes_around": _codex_goes_around()}
    listed = ", ".join(proxies)
    if not through:
        return Finding("ok", f"{listed}: set, and addresses of this machine are left out", details)
    add = f"Add {','.join(LOOPBACK)} to NO_PROXY"
    leaks = "a client of your own that asks the host would send the proxy its token and prompts"
    if details["codex_goes_around"] is False:
        return Finding(
            "warning",
            f"{listed}: set for {' and '.join(through)} as well: `codex -p windows-ai`, set up by an earlier version, "
            f"and {leaks}",
            details,
            f"cwai setup codex   ({add}, for the others)",
        )
    ours = "what this program starts or sets up goes around it"
    return Finding("warning", f"{listed}: set for {' and '.join(through)} as well; {ours}, but {leaks}", details, add)


def _codex_goes_around() -> bool | None:
    """Whether the Codex that was set up keeps this machine out of proxies; None where none was."""
    profile, *_, environment = setup_files()
    return ENVIRONMENT_HEADING in (read_text(environment) or "") if profile.is_file() else None
