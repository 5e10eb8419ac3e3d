"""A model as Codex's catalogue describes it.

Format: `ModelInfo` of the Codex CLI (0.169, observed): a catalogue that lacks one of the required
fields makes Codex refuse its whole configuration, so all of them are always here.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

# What Codex keeps of a tool's output, as a share of the window and in tokens: two long outputs must
# not fill the window, and Codex's own limit is the most.
_SHARE_OF_WINDOW = 8
_MOST_OUTPUT_TOKENS = 10_000


def base_instructions() -> str:
    """What a small model is told at the start of every Codex session."""
    return files("codex_windows_ai.codex").joinpath("base_instructions.md").read_text(encoding="utf-8").strip()


_USUAL_EFFORT = "medium"


def model_info(
    *,
    slug: str,
    context_window: int,
    base_instructions: str,
    tools: bool,
    thinks: bool = False,
    efforts: Sequence[str] = (),
) -> dict[str, Any]:
    """The entry of one model; `context_window` in tokens.

    What a model `thinks` Codex shows as a summary. `efforts` are its words for how much, from least to most.

    `tools` says whether Codex offers its shell and its patches. The grammar of `apply_patch` keeps a small model to
    patches that parse, and costs 3 % of a window of 8,192.
    """
    return {
        "slug": slug,
        "display_name": f"{slug} (on this PC)",
        "description": "Runs on this PC: private, offline, shared by all agents.",
        "priority": 1,
        "visibility": "list",
        "supported_in_api": True,
        "supported_reasoning_levels": [{"effort": effort, "description": _EFFORTS[effort]} for effort in efforts],
        "default_reasoning_level": _default_effort(efforts),
        "supports_reasoning_summaries": thinks,
        "default_reasoning_summary": "auto" if thinks else "none",
        "support_verbosity": False,
        "shell_type": "unified_exec" if tools else "disabled",
        "apply_patch_tool_type": "freeform" if tools else None,
        "supports_parallel_tool_calls": True,
        "experimental_supported_tools": [],
        "input_modalities": ["text"],
        "context_window": context_window,
        # Codex adds a tool's output without counting it: it and the answer must fit between here and the end.
        "auto_compact_token_limit": context_window * 7 // 10,
        "truncation_policy": {"mode": "tokens", "limit": min(context_window // _SHARE_OF_WINDOW, _MOST_OUTPUT_TOKENS)},
        "base_instructions": base_instructions,
    }


_EFFORTS = {
    "none": "Answers without thinking",
    "minimal": "Thinks next to nothing",
    "low": "Thinks briefly",
    "medium": "Thinks as it does by itself",
    "high": "Thinks longer",
    "xhigh": "Thinks much longer",
    "max": "Thinks as long as it can",
}


def _default_effort(efforts: Sequence[str]) -> str | None:
    """The usual one, or else the least with which the model thinks."""
    thinking = [effort for effort in efforts if effort != "none"]
    return _USUAL_EFFORT if _USUAL_EFFORT in thinking else next(iter(thinking), None)
