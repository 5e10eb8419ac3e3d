"""A Windows of the tests' own: a Wine prefix in a temporary folder, and the Windows Python of this checkout."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-windows" / "python.exe"
DOUBLES = ROOT / "build" / "wine"

_SECONDS_WITHOUT_PROGRAMS = 1800

# Windows 11 25H2; winecfg alone would say an older build.
_WINDOWS_11 = r"""REGEDIT4

[HKEY_CURRENT_USER\Software\Wine]
"Version"="win11"

[HKEY_LOCAL_MACHINE\Software\Microsoft\Windows NT\CurrentVersion]
"CurrentBuild"="26200"
"CurrentBuildNumber"="26200"
"CurrentMajorVersionNumber"=dword:0000000a
"CurrentMinorVersionNumber"=dword:00000000
"CurrentVersion"="6.3"
"DisplayVersion"="25H2"
"UBR"=dword:00001c8d
"""


class WindowsMachine:
    """Runs Windows programs; `close` ends what still runs in this prefix, and in no other."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CODEX_", "DOUBLE_"))},
            "WINEPREFIX": str(prefix),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",  # Wine would ask to download both
            # Kept from program to program: each would compile a thousand modules again.
            "PYTHONPYCACHEPREFIX": windows_path(ROOT / "build" / "wine-bytecode"),
            "PYTHONUTF8": "1",
        }
        self.start()
        self._wine("wineboot", "--init", timeout=180)
        self.write_registry(_WINDOWS_11)

    def start(self) -> None:
        """Starts Wine's server, which would otherwise come with the first program and leave with the last.

        A program that starts in the moment in which the server leaves fails.
        """
        subprocess.run(
            ["wineserver", f"--persistent={_SECONDS_WITHOUT_PROGRAMS}"],
            env=self.environment,
            check=True,
            # It lives on: the streams of the tests are not its own.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def write_registry(self, text: str) -> None:
        """Imports a .reg file."""
        file = self.prefix / "import.reg"
        file.write_text(text, encoding="ascii")
        self._wine("regedit", "/S", windows_path(file))

    def register_classes(self, **libraries: str) -> None:
        """Makes the named doubles the servers of WinRT classes: `library="Class1 Class2"`, `__` for a dot."""
        entries = ["REGEDIT4", ""]
        for library, classes in libraries.items():
            path = windows_path(DOUBLES / f"{library.replace('__', '.')}.dll").replace("\\", "\\\\")
            for name in classes.split():
                key = rf"HKEY_LOCAL_MACHINE\Software\Microsoft\WindowsRuntime\ActivatableClassId\{name}"
                entries += [f"[{key}]", f'"DllPath"="{path}"', '"ActivationType"=dword:0', '"Threading"=dword:0']
                entries += ['"TrustLevel"=dword:0', ""]
        self.write_registry("\n".join(entries))

    def python(
        self, *arguments: str, environment: dict[str, str] | None = None, given: str = "", timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Runs the Windows Python; never raises for an exit code."""
        assert PYTHON.is_file(), "the Windows Python is missing: make .venv-windows/.ready"
        return self._wine(str(PYTHON), *arguments, environment=environment, given=given, timeout=timeout)

    def results(self, program: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
        """What a program of tests/wine/programs prints: one JSON object, an entry for each of its scenarios."""
        ran = self.python("-m", f"tests.wine.programs.{program}", environment=environment)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return json.loads(ran.stdout.splitlines()[-1])

    def close(self) -> None:
        for option in ("--kill", "--wait"):  # both know the prefix from the environment
            subprocess.run(["wineserver", option], env=self.environment, timeout=60)

    def _wine(
        self, *command: str, environment: dict[str, str] | None = None, given: str = "", timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        process = subprocess.Popen(
            ["wine", *command],
            env={**self.environment, **(environment or {})},
            cwd=ROOT,
            # A Windows Python refuses to start unless its three streams are pipes.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin
        process.stdin.write(given.encode())
        process.stdin.close()
        try:
            output, errors = _read_until_end(process, timeout)
        finally:
            process.kill()
            process.wait()
        return subprocess.CompletedProcess(command, process.returncode, output, errors)


def _read_until_end(process: subprocess.Popen[bytes], timeout: float) -> tuple[str, str]:
    """What a process wrote until it ended.

    The end of its pipes is no sign of that: Wine lets every child inherit them, also one that is to live on.
    """
    deadline = time.monotonic() + timeout
    streams = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            assert stream
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        ended = False
        while not ended and selector.get_map():
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(process.args, timeout, *map(bytes, streams.values()))
            ended = process.poll() is not None  # asked before the last reading
            for key, _ in selector.select(0 if ended else 0.05):
                if piece := key.fileobj.read():
                    streams[key.fileobj] += piece
                elif piece == b"":
                    selector.unregister(key.fileobj)
    process.wait(max(0.0, deadline - time.monotonic()))
    output, errors = (bytes(written).decode(errors="replace").replace("\r\n", "\n") for written in streams.values())
    for stream in streams:
        stream.close()
    return output, errors


def windows_path(path: Path) -> str:
    """A path of this machine as Windows programs under Wine see it."""
    return "Z:" + str(path.absolute()).replace("/", "\\")
