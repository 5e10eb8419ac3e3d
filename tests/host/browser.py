"""A real Chromium, driven through its DevTools protocol over two pipes, with nothing but the standard library.

Protocol: https://chromedevtools.github.io/devtools-protocol/; with --remote-debugging-pipe it reads JSON from file
descriptor 3 and writes to 4, each message ended by a zero byte.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_OPTIONS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",  # it opens our own page only, and containers seldom let it make a sandbox
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1100,900",
)


class Page:
    """One tab; `events` are all that it told of itself, in order."""

    def __init__(self, commands: BinaryIO, messages: BinaryIO) -> None:
        self._commands, self._messages = commands, messages
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What Chromium answers to a command; what it says in between is kept in `events`."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        while (answer := self._receive()).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def _receive(self) -> dict[str, Any]:
        received = bytearray()
        while (byte := self._messages.read(1)) != b"\0":
            assert byte, "Chromium has ended"
            received += byte
        return json.loads(received)

    def open(self, url: str) -> None:
        """Goes to an address; the same one with another fragment is the same page still."""
        assert "errorText" not in self.send("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        done = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Returns once a JavaScript condition holds."""
        self.evaluate(
            "new Promise((resolve) => {"
            f"const look = () => {{ if ({condition}) resolve(); else setTimeout(look, 20); }}; look(); }})"
        )

    def texts(self, selector: str) -> list[str]:
        """The visible texts of all elements that match."""
        return self.evaluate(f"Array.from(document.querySelectorAll({json.dumps(selector)}), (e) => e.innerText)")

    def parameters_of(self, event: str) -> list[dict[str, Any]]:
        """What the events of one kind said."""
        return [each["params"] for each in self.events if each.get("method") == event]

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """What stands in the console."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [parameters for kind in kinds for parameters in self.parameters_of(kind)]

    @property
    def requested(self) -> list[str]:
        """The addresses that it asked for."""
        return [request["request"]["url"] for request in self.parameters_of("Network.requestWillBeSent")]

    def take_picture(self) -> bytes:
        """The whole page as a PNG."""
        picture = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(picture["data"])


@contextmanager
def chromium(folder: Path) -> Generator[Page]:
    """A browser that keeps everything it writes below `folder`."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    assert program, "Chromium is missing; `scripts/install_debian.sh chromium` installs it."
    read_commands, write_commands = os.pipe()
    read_messages, write_messages = os.pipe()
    # bash puts our ends where Chromium looks for them.
    script = f'exec "$0" "$@" 3<&{read_commands} 4>&{write_messages}'
    with (
        (folder / "chromium.log").open("wb") as log,
        subprocess.Popen(
            ["bash", "-c", script, program, *_OPTIONS, f"--user-data-dir={folder / 'profile'}"],
            env=os.environ | {"HOME": str(folder)},
            pass_fds=(read_commands, write_messages),
            stderr=log,
        ) as process,
    ):
        os.close(read_commands)
        os.close(write_messages)
        with os.fdopen(write_commands, "wb") as commands, os.fdopen(read_messages, "rb") as messages:
            try:
                yield Page(commands, messages)
            finally:
                process.terminate()
