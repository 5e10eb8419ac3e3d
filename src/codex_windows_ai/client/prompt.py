"""One prompt out of what a person gives: words, files, and what is piped in.

The words come first, then each file in a `<file name="…">` block, then what was piped in as a
`<stdin>` block: the order and the block that `codex exec` uses (its --help says so), so that a
prompt means the same to the model on this machine and to Codex.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codex_windows_ai.errors import InvalidRequestError

__all__ = ["compose_prompt", "decode_text", "read_text_file"]


def compose_prompt(words: str | None, *, files: Sequence[Path] = (), piped: str | None = None) -> str:
    """The whole prompt; text that was piped in without any words is the prompt itself.

    Raises InvalidRequestError: nothing was given, a file cannot be read, or text is not UTF-8.
    """
    words = _checked(words or "").strip()
    piped = (piped or "").strip()
    if not words:
        words, piped = piped, ""
    parts = [words] if words else []
    parts += [f'<file name="{file.as_posix()}">\n{read_text_file(file).rstrip()}\n</file>' for file in files]
    if piped:
        parts.append(f"<stdin>\n{piped}\n</stdin>")
    if not parts:
        raise InvalidRequestError(
            "The prompt is empty.", hint='Give one, as in `cwai exec "Explain this error"`, or pipe text in.'
        )
    return "\n\n".join(parts)


def read_text_file(file: Path) -> str:
    """The text of a file that goes into a prompt.

    Raises InvalidRequestError: it cannot be read, or is not UTF-8 text.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InvalidRequestError(
            f"Cannot read the file {file}: {error.strerror or error}", hint="Check the path given with --file."
        ) from error
    return decode_text(data, source=f"The file {file}")


def decode_text(data: bytes, *, source: str) -> str:
    """Decode UTF-8, with or without a byte order mark; `source` begins the message of an error.

    Raises InvalidRequestError: the bytes are not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(
            f"{source} is not UTF-8 text: byte 0x{error.object[error.start]:02x} at offset {error.start}.",
            hint="Only UTF-8 text can go into a prompt; convert it first, for example with `iconv -t utf-8`.",
        ) from error


def _checked(words: str) -> str:
    # Python carries bytes of the command line that do not decode as lone surrogates.
    try:
        words.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidRequestError(
            f"The prompt is not valid Unicode text at character {error.start}.",
            hint="Pass it through a terminal or a pipe that uses UTF-8.",
        ) from error
    return words
