"""Runs programs in a network of their own and notes whatever would have left the machine.

Run by `watched.py` as root of new user, network, mount and process namespaces. Every address belongs to this machine
there, so that each connection goes through the loopback device, where each packet is read; names are answered by a
name server of ours, so that who looks one up goes on to connect; and the variables of the environment name a proxy
of ours. A JSON object on standard input, {"commands": [[argument…]…], "beside": [argument…], "environment"}, is
answered by one on standard output: {"ran": [{"exit_code", "stdout", "stderr"}…], "seen": [sentence…]}. The program
`beside` is started first, says a line when it is ready, and runs until the end.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

NAME_SERVER, ELSEWHERE, MARKER = "192.0.2.53", "192.0.2.1", "192.0.2.254"
OWN_ADDRESSES = ("192.0.2.2", "2001:db8::2")  # without them libraries ask for no names: there would be no network
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
PATIENCE = 240

_IPV4, _IPV6 = 0x0800, 0x86DD
_TCP, _UDP, _ICMP, _ICMPV6 = 6, 17, 1, 58
_SYN, _ACK = 0x02, 0x10
_SOL_PACKET, _PACKET_STATISTICS = 263, 6


class Seen:
    """What would have left, in its order, each once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sentences: dict[str, None] = {}

    def add(self, sentence: str) -> None:
        with self._lock:
            self._sentences.setdefault(sentence)

    def list(self) -> list[str]:
        with self._lock:
            return list(self._sentences)


def make_network() -> None:
    """Every address is this machine's; names are looked up with our name server and nowhere else."""
    for command in ("link set lo up", "route add local default dev lo", f"addr add {OWN_ADDRESSES[0]}/24 dev lo"):
        _run("ip", *command.split())
    if Path("/proc/sys/net/ipv6").exists():
        _run("ip", "-6", "addr", "add", f"{OWN_ADDRESSES[1]}/64", "dev", "lo")
        _run("ip", "-6", "route", "add", "local", "default", "dev", "lo")
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")  # resolvers that are asked through sockets in the file system
    _replace("/etc/resolv.conf", f"nameserver {NAME_SERVER}\n")
    _replace("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    _replace("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")


def _replace(path: str, text: str) -> None:
    target = Path(path).resolve()
    if not target.exists():  # a link into the folder that was emptied
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(text)
    Path(file.name).chmod(0o644)
    _run("mount", "--bind", file.name, str(target))
    Path(file.name).unlink()


def _run(*command: str) -> None:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    subprocess.run(command, check=True, env=os.environ | {"PATH": path}, stdout=sys.stderr)


class Packets:
    """Reads what goes to an address that is not loopback."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
        self._socket.bind(("lo", 0x0003))
        self._drained = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def drain(self) -> None:
        """Waits until all that was sent has been read. Raises RuntimeError: some of it was lost."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", (MARKER, 9))
        self._drained.wait()
        lost = int.from_bytes(self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)[4:], sys.byteorder)
        if lost:
            raise RuntimeError(f"{lost} packets came faster than they were read.")

    def _read(self) -> None:
        while True:
            packet, (_, kind, *_) = self._socket.recvfrom(128)
            self._note(packet, kind)

    def _note(self, packet: bytes, kind: int) -> None:
        if kind == _IPV4:
            protocol, header = packet[9], 4 * (packet[0] & 0x0F)
            source, target = (ipaddress.ip_address(packet[at : at + 4]) for at in (12, 16))
        elif kind == _IPV6:
            protocol, header = packet[6], 40
            source, target = (ipaddress.ip_address(packet[at : at + 16]) for at in (8, 24))
        else:
            return
        if target.is_loopback or str(target) in OWN_ADDRESSES:
            return
        ports = [int.from_bytes(packet[at : at + 2]) for at in (header, header + 2)]
        if str(target) == MARKER:
            self._drained.set()
        elif protocol == _TCP:
            if packet[header + 13] & (_SYN | _ACK) == _SYN:  # not the answers
                self._seen.add(f"TCP to {target} port {ports[1]}")
        elif protocol == _UDP:
            if (NAME_SERVER, 53) not in ((str(source), ports[0]), (str(target), ports[1])):  # it notes what it is asked
                self._seen.add(f"UDP to {target} port {ports[1]}")
        elif protocol not in (_ICMP, _ICMPV6):  # errors, and what the kernel says by itself
            self._seen.add(f"protocol {protocol} to {target}")


def serve_names(seen: Seen) -> None:
    """Answers every question for an address with one that is elsewhere."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((NAME_SERVER, 53))

    def serve() -> None:
        while True:
            question, client = server.recvfrom(4096)
            labels: list[str] = []
            at = 12
            while question[at]:
                labels.append(question[at + 1 : at + 1 + question[at]].decode(errors="replace"))
                at += 1 + question[at]
            asked = question[12 : at + 5]
            seen.add(f"the name {'.'.join(labels)} was looked up")
            answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04" + socket.inet_aton(ELSEWHERE)
            has_answer = asked[-4:] == b"\x00\x01\x00\x01"
            counts = b"\x00\x01" + bytes([0, has_answer]) + b"\x00\x00\x00\x00"
            server.sendto(question[:2] + b"\x81\x80" + counts + asked + answer * has_answer, client)

    threading.Thread(target=serve, daemon=True).start()


def serve_proxy(seen: Seen) -> str:
    """A proxy that refuses; returns its address."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = server.accept()
            with connection:
                line = connection.recv(4096).decode(errors="replace").partition("\r\n")[0]
                seen.add(f"the proxy got: {line}")
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def run_commands(commands: list[list[str]], beside: list[str], environment: dict[str, str]) -> list[dict[str, Any]]:
    """Runs one after another, beside a program that says a line first."""
    server = (
        subprocess.Popen(beside, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) if beside else None
    )
    if server and server.stdout and not server.stdout.readline():
        raise RuntimeError(f"{beside} ended with exit code {server.wait()} and said nothing.")
    ran: list[dict[str, Any]] = []
    for command in commands:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=PATIENCE, check=False
        )
        texts = {name: getattr(done, name).decode(errors="replace") for name in ("stdout", "stderr")}
        ran.append({"exit_code": done.returncode, **texts})
    if server:
        server.terminate()
        server.communicate(timeout=PATIENCE)
    return ran


def main() -> None:
    """Does what standard input asks for."""
    asked: dict[str, Any] = json.load(sys.stdin)
    make_network()
    seen = Seen()
    packets = Packets(seen)
    serve_names(seen)
    proxy = serve_proxy(seen)
    variables = {variant: proxy for name in PROXY_VARIABLES for variant in (name, name.lower())}
    ran = run_commands(asked["commands"], asked["beside"], asked["environment"] | variables)
    packets.drain()
    json.dump({"ran": ran, "seen": seen.list()}, sys.stdout)


if __name__ == "__main__":
    main()
