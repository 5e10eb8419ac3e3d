"""What an answer must match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GrammarKind = Literal["json_schema", "regex", "lark", "composed"]


@dataclass(frozen=True, slots=True)
class Grammar:
    """What the answer must match: a JSON schema (as JSON text), a regex, or a Lark grammar.

    A "composed" one is several Lark grammars that refer to one another as `@name`, in llguidance's
    own JSON form: `{"grammars": [{"lark_grammar": …}, {"name": …, "lark_grammar": …}]}`.
    `lenient`: keywords of a JSON schema that cannot be followed are ignored; else they are refused.
    """

    kind: GrammarKind
    definition: str
    lenient: bool = False
