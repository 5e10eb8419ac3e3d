"""Launches an agent for a host that is gone: `python -m tests.rivals.agents.launch_nowhere AGENT ARGUMENTS...`."""

from __future__ import annotations

import socket
import sys

from codex_windows_ai.agents.agent import HostModel
from codex_windows_ai.agents.known.agents import AGENTS
from codex_windows_ai.agents.launch import launch

if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    agent = AGENTS[name]
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port, and nobody answers on it
        taken.bind(("127.0.0.1", 0))
        model = HostModel(f"http://127.0.0.1:{taken.getsockname()[1]}", "a-token", "tiny", 32_768, 4_096)
        sys.exit(launch(agent, model, arguments))
