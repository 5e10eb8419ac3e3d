"""The kernel driver under Wine: programs that use it, each a Windows process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from typing import Any

from tests.wine.windows import PYTHON, ROOT, WindowsMachine, windows_path

DRIVER = ROOT / "build" / "driver" / "ai_driver.sys"


class Refused(Exception):
    """What a program's request ended with: the name of the error's class."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


class Program:
    """A Windows process (tests/wine/programs/driver_session.py) that does one thing after the other as it is told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def do(self, action: str, /, **arguments: Any) -> Any:
        """Raises Refused: it ended with an error."""
        self.ask(action, **arguments)
        return self.answer()

    def ask(self, action: str, /, **arguments: Any) -> None:
        assert self._process.stdin
        print(json.dumps({"do": action, **arguments}), file=self._process.stdin, flush=True)

    def answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the program ended"
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"], answer["message"])
        return answer["result"]

    def call(self, method: str, **arguments: Any) -> Any:
        """A method of its bridge."""
        return self.do("call", method=method, **arguments)

    def kill(self) -> None:
        """Ends it as `kill -9` does."""
        self._process.kill()
        self._end()

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._end()

    def _end(self) -> None:
        try:
            self._process.wait(60)
        finally:
            self._process.kill()
            for stream in (self._process.stdin, self._process.stdout):
                if stream:
                    stream.close()


class DriverMachine:
    """A Windows with the driver. The first program stays to the end: Wine unloads drivers when the last one leaves."""

    def __init__(self, machine: WindowsMachine) -> None:
        self._machine = machine
        self._restart_wine()
        # What Wine says about a driver's mistakes it says to whoever started it. A Windows Python takes no file for a
        # stream, so all programs share a pipe, and a thread empties it.
        self._environment = {**machine.environment, "WINEDEBUG": "fixme-all"}
        read, self._stderr = os.pipe()
        self._said = bytearray()
        self._listener = threading.Thread(target=self._listen, args=[read])
        self._listener.start()
        self._programs: list[Program] = []
        self.administrator = self.program()

    @property
    def errors(self) -> str:
        """What was written to standard error so far by all programs, Wine's own included."""
        return self._said.decode("utf-8", errors="replace")

    def install(self) -> None:
        """Installs the driver and starts it."""
        # Unsigned, as the build makes it: Wine does not look, and that we refuse it is a test of its own.
        self.administrator.do("install", image=windows_path(DRIVER), force=True)
        self.administrator.do("start")

    def program(self) -> Program:
        program = Program(self.python("-m", "tests.wine.programs.driver_session"))
        self._programs.append(program)
        return program

    def python(self, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Starts the Windows Python; the caller reads its output to the end."""
        return subprocess.Popen(
            ["wine", str(PYTHON), *arguments],
            env={**self._environment, **(environment or {})},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            encoding="utf-8",
        )

    def close(self) -> None:
        for program in reversed(self._programs):
            program.kill()
        self._restart_wine()
        os.close(self._stderr)
        self._listener.join(30)

    def _restart_wine(self) -> None:
        self._machine.close()
        self._machine.start()

    def _listen(self, read: int) -> None:
        with open(read, "rb", buffering=0) as pipe:
            while piece := pipe.read(65536):
                self._said += piece
