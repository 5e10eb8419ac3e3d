"""The names of a host that other machines reach."""

from __future__ import annotations

import socket
import subprocess
import sys

from codex_windows_ai.host.listener import names_of_machine

NO_LOOKUP = """
import sys
def note(event, arguments):
    if event.startswith(("socket.gethostby", "socket.getaddrinfo", "socket.getnameinfo")):
        sys.exit(event)
sys.addaudithook(note)
from codex_windows_ai.host.listener import names_of_machine
names_of_machine("0.0.0.0")
"""


def test_the_names_are_the_machines_own_and_its_addresses() -> None:
    names = names_of_machine("0.0.0.0")

    assert {"0.0.0.0", "127.0.0.1", socket.gethostname()} <= set(names)


def test_no_name_server_is_asked_for_them() -> None:
    ran = subprocess.run([sys.executable, "-c", NO_LOOKUP], capture_output=True, encoding="utf-8")

    assert (ran.returncode, ran.stderr) == (0, "")
