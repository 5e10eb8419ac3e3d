"""Write the table of docs/agents.md from what tests/rivals/agents found (build/rivals/agents/results.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from codex_windows_ai.agents.known.agents import AGENTS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "agents.md"
RESULTS = ROOT / "build" / "rivals" / "agents" / "results.json"
PACKAGES = ROOT / "tests" / "rivals" / "agents" / "package.json"
BEGIN, END = "<!-- matrix -->\n", "<!-- end of matrix -->\n"
CODEX = ("codex", "Codex", "@openai/codex")


def table() -> str:
    """A row an agent; a cell is empty where no test has said anything."""
    results: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))
    versions: dict[str, str] = json.loads(PACKAGES.read_text(encoding="utf-8"))["dependencies"]
    rows = ["| agent | version | asks | first prompt, tokens | answers | writes a file by | continues | too long |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    for name, title, package in [*((agent.name, agent.title, agent.package) for agent in AGENTS.values()), CODEX]:
        found = results.get(name, {})
        cells = [
            f"{title} (`{name}`)",
            versions[package],
            ", ".join(f"`{path}`" for path in found.get("paths", ())),
            f"{found['first_prompt']:,}" if "first_prompt" in found else "",
            "yes" if found.get("answers") else "",
            f"`{found['tool']}`" if "tool" in found else "",
            "yes" if found.get("goes_on") else "",
            _told(found.get("too_long", {})),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _told(failure: dict[str, Any]) -> str:
    said = str(failure.get("says", "")).replace("|", "/").split("\x1b")[0][:90].strip()
    return f"{said} (exit {failure['exit']})" if said else ""


def main() -> None:
    """Put the table between its two marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
