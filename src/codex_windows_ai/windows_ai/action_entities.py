"""What goes into an app's action and what comes out, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

__all__ = [
    "AppointmentEntity",
    "ArrayEntity",
    "ContactEntity",
    "CustomTextEntity",
    "DateEntity",
    "Entity",
    "FileEntity",
    "RemoteFileEntity",
    "TableEntity",
    "TextEntity",
    "UriEntity",
    "text_of",
]

_PHOTOS = {".jpg", ".jpeg", ".png"}
_DOCUMENTS = {".doc", ".docx", ".pdf", ".txt"}


@dataclass(frozen=True, slots=True)
class TextEntity:
    """Text, plain or Markdown."""

    text: str
    markdown: bool = False


@dataclass(frozen=True, slots=True)
class FileEntity:
    """A file of this machine; Windows takes some kinds only as a photo (.jpg .jpeg .png) or document (.pdf .docx …)."""

    path: Path
    kind: Literal["file", "photo", "document"] = "file"

    @classmethod
    def of(cls, path: Path) -> FileEntity:
        """The entity of the kind that the file's name says."""
        suffix = path.suffix.lower()
        return cls(path, "photo" if suffix in _PHOTOS else "document" if suffix in _DOCUMENTS else "file")


@dataclass(frozen=True, slots=True)
class RemoteFileEntity:
    """A file in a cloud drive."""

    source_id: str
    uri: str
    file_id: str
    kind: Literal["document", "photo", "file"] = "file"
    content_type: str = ""
    drive_id: str = ""
    account_id: str = ""
    extension: str = ""


@dataclass(frozen=True, slots=True)
class TableEntity:
    """A table of text, row by row; all rows have the same length."""

    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ContactEntity:
    """A person."""

    first_name: str = ""
    last_name: str = ""
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UriEntity:
    """An absolute address."""

    uri: str


@dataclass(frozen=True, slots=True)
class DateEntity:
    """A point in time; without a time zone it is taken as this machine's own."""

    date: datetime


@dataclass(frozen=True, slots=True)
class AppointmentEntity:
    """An appointment."""

    source_id: str
    subject: str
    start: datetime
    duration: timedelta
    location: str = ""
    details: str = ""
    attendees: tuple[ContactEntity, ...] = ()


@dataclass(frozen=True, slots=True)
class CustomTextEntity:
    """Text of a kind that an app has defined. Properties are not read back: their types are the app's own."""

    kind: str
    key_phrase: str


@dataclass(frozen=True, slots=True)
class ArrayEntity:
    """Several entities of one kind."""

    items: tuple[Entity, ...] = field(default=())


Entity = (
    TextEntity
    | FileEntity
    | RemoteFileEntity
    | TableEntity
    | ContactEntity
    | UriEntity
    | DateEntity
    | AppointmentEntity
    | CustomTextEntity
    | ArrayEntity
)


def text_of(entity: Entity) -> str:
    """What an entity says as text: tables with tabs, of what is no text its path, address or name."""
    match entity:
        case TextEntity(text):
            return text
        case FileEntity(path):
            return str(path)
        case RemoteFileEntity(uri=uri) | UriEntity(uri):
            return uri
        case TableEntity(rows):
            return "\n".join("\t".join(row) for row in rows)
        case ContactEntity():
            return " ".join(filter(None, (entity.first_name, entity.last_name, *entity.emails, *entity.phones)))
        case DateEntity(date):
            return date.isoformat()
        case AppointmentEntity():
            return f"{entity.subject} ({entity.start.isoformat()}, {entity.duration})"
        case CustomTextEntity(_, key_phrase):
            return key_phrase
        case ArrayEntity(items):
            return "\n".join(map(text_of, items))
