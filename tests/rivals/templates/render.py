"""Renders conversations with real templates as transformers does; in the environment that has it.

Reads a JSON list of `[template, messages, tools, options]` from standard input, writes what came of each: a text, or
null where the template refuses.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from transformers.utils import chat_template_utils

render: Any = chat_template_utils.render_jinja_template  # has no types


def main() -> None:
    rendered: list[str | None] = []
    for template, messages, tools, options in json.load(sys.stdin):
        given: dict[str, Any] = {"chat_template": template, "tools": tools, "add_generation_prompt": True, **options}
        try:
            texts: list[str] = render(conversations=[messages], **given)[0]
        except Exception:  # a template is a program: it may refuse in any way
            rendered.append(None)
        else:
            rendered.append(texts[0])
    json.dump(rendered, sys.stdout)


main()
