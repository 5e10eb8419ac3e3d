"""`system` and `messages` as a conversation.

Content blocks: https://platform.claude.com/docs/en/api/messages. What only Anthropic's servers can use is left out and
named; marks of their cache ask for nothing, since every prefix is kept here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from codex_windows_ai.api.shared.body import unknown_keys
from codex_windows_ai.api.shared.conversation import Conversation
from codex_windows_ai.api.shared.seal import ReasoningSeal
from codex_windows_ai.protocol.json_values import as_object

_Block = dict[str, Any]

_MARKS = frozenset({"cache_control", "citations"})
"""What a block may have besides, without effect."""

_THINKING = frozenset({"type", "thinking", "signature"}) | _MARKS
_CALL = frozenset({"type", "id", "name", "input", "caller"}) | _MARKS
_RESULT = frozenset({"type", "tool_use_id", "content", "is_error"}) | _MARKS

_BILLING = "x-anthropic-billing-header:"
"""With this Claude Code begins a block of its system prompt that changes from request to request, and that no model
need read: with it no prefix would ever be the same."""


def read_messages(
    messages: Sequence[_Block], system: str | Sequence[_Block] | None, seal: ReasoningSeal
) -> Conversation:
    """The conversation. What a model of this host thought is known by its `seal`, in a block's `signature`."""
    conversation = Conversation()
    if system:
        conversation.add_message("system", _parts(_without_billing(system, conversation)), param="system")
    for index, message in enumerate(messages):
        param, role = f"messages[{index}]", message.get("role")
        conversation.left_out += unknown_keys(message, ("role", "content"), param)
        if role == "assistant":
            _add_answer(conversation, message.get("content"), param, seal)
        else:
            _add_said(conversation, role, message.get("content"), param)
    return conversation


def referenced_tools(messages: Sequence[_Block]) -> frozenset[str]:
    """The tools that a search of the client's found: a result refers to them by `tool_reference`."""
    results = (block for message in messages for block in _blocks(message.get("content")) if _is_result(block))
    inner = (block for result in results for block in _blocks(result.get("content")))
    return frozenset(str(block.get("tool_name")) for block in inner if block.get("type") == "tool_reference")


def _is_result(block: _Block) -> bool:
    return block.get("type") == "tool_result"


def _blocks(content: object) -> Iterator[_Block]:
    """The blocks of a content that is a list of them."""
    for item in cast("list[object]", content) if isinstance(content, list) else ():
        if isinstance(item, dict):
            yield cast("_Block", item)


def _without_billing(system: str | Sequence[_Block], conversation: Conversation) -> str | list[_Block | None]:
    if isinstance(system, str):
        return system
    kept: list[_Block | None] = []
    for index, block in enumerate(system):
        billing = str(block.get("text", "")).startswith(_BILLING)
        kept.append(None if billing else block)
        if billing:
            conversation.leave_out(f"system[{index}]: {_BILLING.removesuffix(':')}")
    return kept


def _add_said(conversation: Conversation, role: object, content: object, param: str) -> None:
    """What anybody but the assistant says: words, and among them what calls returned."""
    if not isinstance(content, list):
        conversation.add_message(role, content, param=param)
        return
    items = cast("list[object]", content)
    words: list[object] = [None] * len(items)  # each stays at its index, by which an error names it
    said = False
    for index, item in enumerate(items):
        block = as_object(item)
        if not _is_result(block):
            words[index] = _part(item)
            continue
        if any(word is not None for word in words):
            conversation.add_message(role, words, param=param)
            words = [None] * len(items)
        said = True
        place = f"{param}.content[{index}]"
        conversation.left_out += unknown_keys(block, _RESULT, place)
        conversation.add_result(block.get("tool_use_id"), _returned(block), param=f"{place}.content")
    if not said or any(word is not None for word in words):
        conversation.add_message(role, words, param=param)


def _returned(result: _Block) -> object:
    """What a call returned; that it failed is said in words, as no template has a place for it."""
    parts = _parts(result.get("content"))
    if not result.get("is_error"):
        return parts
    listed = cast("list[object]", parts) if isinstance(parts, list) else [] if parts is None else [parts]
    return ["Error:", *listed]


def _add_answer(conversation: Conversation, content: object, param: str, seal: ReasoningSeal) -> None:
    if not isinstance(content, list):
        conversation.add_message("assistant", content, param=param)
        return
    items = cast("list[object]", content)
    for index, item in enumerate(items):
        place, block = f"{param}.content[{index}]", as_object(item)
        kind = str(block.get("type"))
        if kind == "thinking":
            conversation.left_out += unknown_keys(block, _THINKING, place)
            _add_thought(conversation, block, place, seal)
        elif kind == "tool_use" and isinstance(name := block.get("name"), str):
            conversation.left_out += unknown_keys(block, _CALL, place)
            conversation.add_call("function", name, block.get("input"), call_id=block.get("id"))
        elif kind in ("redacted_thinking", "compaction", "fallback") or kind.endswith(("tool_use", "tool_result")):
            conversation.leave_out(f"{place}: {kind[:100]}")
        else:
            words: list[object] = [None] * len(items)
            words[index] = _part(item)
            conversation.add_message("assistant", words, param=param)


def _add_thought(conversation: Conversation, block: _Block, place: str, seal: ReasoningSeal) -> None:
    thought = seal.open(block.get("signature"))
    if thought is None:
        conversation.leave_out(f"{place}: thinking of another model")
    else:
        conversation.add_reasoning(thought, param=f"{place}: thinking")


def _parts(content: object) -> object:
    """A content with its blocks as parts that are read everywhere."""
    return [_part(item) for item in cast("list[object]", content)] if isinstance(content, list) else content


def _part(item: object) -> object:
    """A block; one that holds text in a form of its own is that text."""
    if not isinstance(item, dict):
        return item
    block = cast("_Block", item)
    text = _text_in(block)
    if text is not None:
        return {"type": "text", "text": text}
    return {name: value for name, value in block.items() if name not in _MARKS}


def _text_in(block: Mapping[str, Any]) -> str | None:
    """The text of a document, of something found, or of a tool that was found; None for any other block."""
    title = block.get("title")
    match block.get("type"):
        case "document":
            source = as_object(block.get("source"))
            text = source.get("data") if source.get("type") == "text" else _joined(source.get("content"))
        case "search_result":
            title, text = f"{title or ''} ({block.get('source')})", _joined(block.get("content"))
        case "tool_reference":
            return f"The tool {block.get('tool_name')} can be called now."
        case _:
            return None
    if not isinstance(text, str):
        return None
    return f"{title}\n{text}" if isinstance(title, str) and title else text


def _joined(content: object) -> str | None:
    """A content that is text and nothing else."""
    if isinstance(content, str):
        return content
    texts = [block.get("text") for block in _blocks(content)]
    whole = isinstance(content, list) and texts and all(isinstance(text, str) for text in texts)
    return "\n".join(cast("list[str]", texts)) if whole else None
