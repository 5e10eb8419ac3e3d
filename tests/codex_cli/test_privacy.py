"""What Codex sends, how much of it, and to whom."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.codex_cli.program import Workplace, workplace


@contextmanager
def proxy() -> Iterator[tuple[dict[str, str], list[str]]]:
    """A proxy that refuses; yields the variables that make programs use it, and the requests that it got."""
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    seen.append(connection.recv(4096).decode(errors="replace").partition("\r\n")[0])
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        try:
            variables = {variant: url for name in names for variant in (name, name.lower())}
            yield variables | {"NO_PROXY": "", "no_proxy": ""}, seen
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_nothing_leaves_the_machine_and_the_request_is_a_quarter_of_the_default_one(
    place: Workplace, tmp_path: Path
) -> None:
    with proxy() as (variables, seen):
        ran = place.execute("hi", environment=variables)
        assert (ran.exit_code, ran.stdout) == (0, "Done.\n"), ran.stderr
        assert seen == []
        [ours] = place.host.asked

        # That the proxy would have seen something, and what Codex sends by default: the same without our settings.
        plain = workplace(place.host.home, tmp_path / "plain", place.host)
        (plain.codex_home / "config.toml").write_text(
            'model = "tiny"\nmodel_provider = "plain"\n'
            f'[model_providers.plain]\nname = "plain"\nbase_url = "{place.host.url}/v1"\nwire_api = "responses"\n'
            "request_max_retries = 0\nstream_max_retries = 0\n"
            f'experimental_bearer_token = "{place.host.host.token}"\n',
            encoding="utf-8",
        )
        place.host.begin()
        plain.codex("exec", "--skip-git-repo-check", "hi", environment=variables | {"NO_PROXY": "127.0.0.1"})
        assert seen != []
        default = place.host.asked[0]

    assert len(ours.request) <= 0.25 * len(default.request)


def test_the_host_is_told_neither_the_token_in_the_command_line_nor_by_a_file_of_codexs(place: Workplace) -> None:
    place.execute("hi")

    token = str(place.host.host.token).encode()
    assert place.host.asked[0].headers["authorization"] == f"Bearer {place.host.host.token}"
    assert [file for file in place.codex_home.rglob("*") if file.is_file() and token in file.read_bytes()] == []
