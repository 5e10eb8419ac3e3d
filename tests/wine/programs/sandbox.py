"""Chat templates in their own process: what each ends in."""

from __future__ import annotations

import json

from codex_windows_ai.chat import sandbox
from codex_windows_ai.errors import WindowsAiError

TEMPLATES = {
    "words": "{{ words }}",
    "endless": "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "memory": "{{ 'a' * 10 ** 17 }}",
    "large": "{% for a in range(100000) %}{{ 'a' * 10000 }}{% endfor %}",
    "again": "{{ words }}",
}


def ends(source: str) -> str:
    """What the template writes, or why it was ended."""
    try:
        return sandbox.render(source, {"words": "é\n\U0001f600"}, sandbox.Bounds(seconds=5.0))
    except WindowsAiError as error:
        return f"{type(error).__name__}: {error.message}"


if __name__ == "__main__":
    print(json.dumps({name: ends(source) for name, source in TEMPLATES.items()}))
