"""All of them, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from codex_windows_ai.agents.agent import Agent, HostModel, Lasting
from codex_windows_ai.agents.known import claude_code, kilo, opencode, pi
from codex_windows_ai.agents.known.claude_code import CLAUDE_CODE
from codex_windows_ai.agents.known.cline import CLINE
from codex_windows_ai.agents.known.continue_cli import CONTINUE
from codex_windows_ai.agents.known.copilot import COPILOT
from codex_windows_ai.agents.known.kilo import KILO
from codex_windows_ai.agents.known.opencode import OPENCODE
from codex_windows_ai.agents.known.pi import PI
from codex_windows_ai.agents.known.qwen_code import QWEN_CODE

AGENTS: tuple[Agent, ...] = (CLAUDE_CODE, OPENCODE, QWEN_CODE, PI, CONTINUE, CLINE, KILO, COPILOT)

LASTING: Mapping[str, Callable[[HostModel], Lasting]] = {
    "claude-code": claude_code.lasting,
    "opencode": opencode.lasting,
    "pi": pi.lasting,
    "kilo": kilo.lasting,
}
"""Those whose own configuration can name a provider without a secret."""
