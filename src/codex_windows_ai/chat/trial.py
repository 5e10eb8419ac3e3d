"""The trial of a model's chat template when the model is added: what fails would else fail at the first answer."""

from __future__ import annotations

from pathlib import Path

from codex_windows_ai.chat.format import ChatFormat
from codex_windows_ai.chat.formats import chat_format
from codex_windows_ai.chat.formats.untaught import Untaught
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import InvalidRequestError, ModelFileError, TemplateOverLimitError
from codex_windows_ai.protocol.message import Call, Message, Result, Text
from codex_windows_ai.protocol.tools import Tool, ToolSet

_TOOLS = ToolSet(
    (
        Tool(
            "function",
            "read",
            description="Reads a file.",
            parameters={"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
        ),
    )
)
_NONE = ToolSet()
_SYSTEM, _USER, _ASSISTANT = Message("system", "Be brief."), Message("user", "Hello"), Message("assistant", "Hi.")
_CALL = Message("assistant", (Text("I look.\n"), Call("function", "read", '{"path": "a.txt"}', "call_1")))
_RESULT = Message("tool", (Result("Some text.", "call_1"),))

_CONVERSATIONS: dict[str, tuple[tuple[Message, ...], ToolSet]] = {
    "a system message": ((_SYSTEM, _USER), _NONE),
    "a second turn": ((_USER, _ASSISTANT, _USER), _NONE),
    "two messages of the user's in a row": ((_USER, _ASSISTANT, _USER, _USER), _NONE),
    "a system message that comes late": ((_SYSTEM, _USER, _ASSISTANT, _SYSTEM, _USER), _NONE),
    "an assistant that begins": ((_ASSISTANT, _USER), _NONE),
    "tools": ((_SYSTEM, _USER), _TOOLS),
    "a call of a tool and what it returned": ((_SYSTEM, _USER, _CALL, _RESULT), _TOOLS),
    "a turn behind a call": ((_SYSTEM, _USER, _CALL, _RESULT, _ASSISTANT, _USER), _TOOLS),
}


def try_chat(folder: Path, tokenizer: Tokenizer) -> tuple[str, ...]:
    """Tries the chat template of a model folder on short conversations; what the user should know of it, in words.

    The tokenizer is left as the template needs it, as by `chat_format`.

    Raises ModelFileError: it does not compile, takes more time or memory than it may, leaves
    out what the user says, or refuses a single question.
    """
    form = chat_format(folder, tokenizer)
    if isinstance(form, Untaught):
        return form.remarks
    try:
        tokens = form.render((_USER,), _NONE)
    except InvalidRequestError as error:
        raise _unfit(error.message) from error
    if _USER.text.encode() not in b"".join(tokenizer.bytes_of(token) for token in tokens):
        raise _unfit("The model's chat template does not write what the user says.")
    refused = [name for name, (turns, tools) in _CONVERSATIONS.items() if not _takes(form, turns, tools)]
    lost = (f"The chat template refuses {', '.join(refused)}; such requests will fail.",) if refused else ()
    return (*form.remarks, *lost)


def _takes(form: ChatFormat, messages: tuple[Message, ...], tools: ToolSet) -> bool:
    try:
        form.render(messages, tools)
    except TemplateOverLimitError as error:
        raise _unfit(error.message) from error
    except InvalidRequestError:
        return False
    return True


def _unfit(reason: str) -> ModelFileError:
    return ModelFileError(
        reason,
        hint="Use another file of this model, whose template is sound, or mend its template (`chat_template.jinja`, or "
        "`tokenizer.chat_template` of a GGUF file).",
    )
