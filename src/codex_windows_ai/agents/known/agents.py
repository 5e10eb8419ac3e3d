"""All of them, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Mapping

from codex_windows_ai.agents.agent import Agent
from codex_windows_ai.agents.known.claude_code import CLAUDE_CODE
from codex_windows_ai.agents.known.cline import CLINE
from codex_windows_ai.agents.known.continue_cli import CONTINUE
from codex_windows_ai.agents.known.copilot import COPILOT
from codex_windows_ai.agents.known.kilo import KILO
from codex_windows_ai.agents.known.opencode import OPENCODE
from codex_windows_ai.agents.known.pi import PI
from codex_windows_ai.agents.known.qwen_code import QWEN_CODE

_ALL = (CLAUDE_CODE, OPENCODE, QWEN_CODE, PI, CONTINUE, CLINE, KILO, COPILOT)

AGENTS: Mapping[str, Agent] = {agent.name: agent for agent in _ALL}
"""Each by its name."""
