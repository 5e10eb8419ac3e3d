"""Entities of App Actions between plain values and WinRT.

Kinds: Windows.AI.Actions.ActionEntityKind of SDK 10.0.28000. Which of them a build of Windows knows depends on its
contract: array and uri need version 6, date and appointment 7, custom text 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from codex_windows_ai.errors import InvalidRequestError, NotAvailableError
from codex_windows_ai.hardware.hresult import E_INVALIDARG, code_of, not_available
from codex_windows_ai.windows_ai.action_entities import (
    AppointmentEntity,
    ArrayEntity,
    ContactEntity,
    CustomTextEntity,
    DateEntity,
    Entity,
    FileEntity,
    RemoteFileEntity,
    TableEntity,
    TextEntity,
    UriEntity,
)

if TYPE_CHECKING:
    from winrt.windows.ai.actions import ActionEntity, ActionEntityFactory

__all__ = ["kind_name", "read_entity", "write_entity"]


def kind_name(kind: int) -> str:
    """The name of an ActionEntityKind as we write it: `text`, `streaming-text`."""
    from winrt.windows.ai.actions import ActionEntityKind

    try:
        return ActionEntityKind(kind).name.lower().replace("_", "-")
    except ValueError:
        return f"kind {kind}"


def write_entity(factory: ActionEntityFactory, entity: Entity) -> ActionEntity:
    """The WinRT entity of a value.

    Raises NotAvailableError: this build of Windows does not know the kind. InvalidRequestError: a value that no
    entity can hold.
    """
    try:
        return _WRITERS[type(entity)](factory, entity)
    except (OSError, AttributeError) as error:
        raise not_available(f"Windows takes no {type(entity).__name__}", error) from error


def _write_text(factory: ActionEntityFactory, entity: TextEntity) -> ActionEntity:
    from winrt.windows.ai.actions import ActionEntityTextFormat

    if entity.markdown:
        return factory.create_text_entity(entity.text, ActionEntityTextFormat.MARKDOWN)
    return factory.create_text_entity(entity.text)


def _write_file(factory: ActionEntityFactory, entity: FileEntity) -> ActionEntity:
    path = entity.path.absolute()
    if not path.is_file():
        raise InvalidRequestError(f"There is no file {path}.")
    create = {
        "file": factory.create_file_entity,
        "photo": factory.create_photo_entity,
        "document": factory.create_document_entity,
    }
    return create[entity.kind](str(path))


def _write_remote_file(factory: ActionEntityFactory, entity: RemoteFileEntity) -> ActionEntity:
    from winrt.windows.ai.actions import RemoteFileKind

    return factory.create_remote_file_entity(
        entity.source_id,
        RemoteFileKind[entity.kind.upper()],
        _uri(entity.uri),
        entity.file_id,
        entity.content_type,
        entity.drive_id,
        entity.account_id,
        entity.extension,
    )


def _write_table(factory: ActionEntityFactory, entity: TableEntity) -> ActionEntity:
    from winrt.system import Array

    lengths = {len(row) for row in entity.rows}
    if len(lengths) != 1:
        raise InvalidRequestError("A table needs rows, all of one length.")
    cells = [cell for row in entity.rows for cell in row]
    return factory.create_table_entity(Array(str, cells), lengths.pop())


def _write_contact(factory: ActionEntityFactory, entity: ContactEntity) -> ActionEntity:
    from winrt.windows.applicationmodel.contacts import Contact, ContactEmail, ContactPhone

    contact = Contact()
    contact.first_name = entity.first_name
    contact.last_name = entity.last_name
    for address in entity.emails:
        email = ContactEmail()
        email.address = address
        contact.emails.append(email)
    for number in entity.phones:
        phone = ContactPhone()
        phone.number = number
        contact.phones.append(phone)
    return factory.create_contact_entity(contact)


def _write_uri(factory: ActionEntityFactory, entity: UriEntity) -> ActionEntity:
    return factory.create_uri_entity(_uri(entity.uri))


def _write_date(factory: ActionEntityFactory, entity: DateEntity) -> ActionEntity:
    return factory.create_date_time_entity(entity.date.astimezone())


def _write_appointment(factory: ActionEntityFactory, entity: AppointmentEntity) -> ActionEntity:
    from winrt.system import Array
    from winrt.windows.ai.actions import ContactActionEntity
    from winrt.windows.applicationmodel.appointments import Appointment

    appointment = Appointment()
    appointment.subject = entity.subject
    appointment.start_time = entity.start.astimezone()
    appointment.duration = entity.duration
    appointment.location = entity.location
    appointment.details = entity.details
    attendees = [_write_contact(factory, attendee).as_(ContactActionEntity) for attendee in entity.attendees]
    return factory.create_appointment_entity(entity.source_id, appointment, Array(ContactActionEntity, attendees))


def _write_custom_text(factory: ActionEntityFactory, entity: CustomTextEntity) -> ActionEntity:
    return factory.create_custom_text_entity(entity.kind, entity.key_phrase, {})


def _write_array(factory: ActionEntityFactory, entity: ArrayEntity) -> ActionEntity:
    from winrt.system import Array
    from winrt.windows.ai.actions import ActionEntity

    entities = [write_entity(factory, item) for item in entity.items]
    if not entities:
        raise InvalidRequestError("An array needs an entity at least: Windows wants to know their kind.")
    return factory.create_array_entity(entities[0].kind, Array(ActionEntity, entities))


_WRITERS: Mapping[type, Any] = {
    TextEntity: _write_text,
    FileEntity: _write_file,
    RemoteFileEntity: _write_remote_file,
    TableEntity: _write_table,
    ContactEntity: _write_contact,
    UriEntity: _write_uri,
    DateEntity: _write_date,
    AppointmentEntity: _write_appointment,
    CustomTextEntity: _write_custom_text,
    ArrayEntity: _write_array,
}


def read_entity(entity: ActionEntity) -> Entity:
    """The value of a WinRT entity; a streaming text must be complete.

    Raises NotAvailableError: the kind is none that this version knows.
    """
    kind = kind_name(entity.kind)
    if kind not in _READERS:
        raise NotAvailableError(f"The action gave an entity of the kind `{kind}`, which this version does not know.")
    return _READERS[kind](entity)


def _read_text(entity: ActionEntity) -> Entity:
    from winrt.windows.ai.actions import ActionEntityTextFormat, TextActionEntity

    text = entity.as_(TextActionEntity)
    try:
        return TextEntity(text.text, text.text_format == ActionEntityTextFormat.MARKDOWN)
    except AttributeError:  # builds before contract 2 know plain text only
        return TextEntity(text.text)


def _read_streaming_text(entity: ActionEntity) -> Entity:
    from winrt.windows.ai.actions import ActionEntityTextFormat, StreamingTextActionEntity

    text = entity.as_(StreamingTextActionEntity)
    return TextEntity(text.get_text(), text.text_format == ActionEntityTextFormat.MARKDOWN)


def _read_file(entity: ActionEntity) -> Entity:
    from winrt.windows.ai.actions import FileActionEntity

    return FileEntity(Path(entity.as_(FileActionEntity).full_path))


def _read_photo(entity: ActionEntity) -> Entity:
    from winrt.windows.ai.actions import PhotoActionEntity

    return FileEntity(Path(entity.as_(PhotoActionEntity).full_path), "photo")


def _read_document(entity: ActionEntity) -> Entity:
    from winrt.windows.ai.actions import DocumentActionEntity

    return FileEntity(Path(entity.as_(DocumentActionEntity).full_path), "document")


def _read_remote_file(entity: ActionEntity) -> Entity:
    from winrt.windows.ai.actions import RemoteFileActionEntity

    file = entity.as_(RemoteFileActionEntity)
    kinds: dict[int, Literal["document", "photo", "file"]] = {0: "document", 1: "photo", 2: "file"}
    return RemoteFileEntity(
        source_id=file.source_id,
        uri=file.source_uri.absolute_uri,
        file_id=file.file_id,
        kind=kinds.get(file.file_kind, "file"),
        content_type=file.content_type,
        drive_id=file.drive_id,
        account_id=file.account_id,
        extension=file.extension,
    )


def _read_table(entity: ActionEntity) -> Entity:
    from winrt.windows.ai.actions import TableActionEntity

    table = entity.as_(TableActionEntity)
    cells, columns = list(table.get_text_content()), int(table.column_count)
    return TableEntity(tuple(tuple(cells[start : start + columns]) for start in range(0, len(cells), columns or 1)))


def _read_contact(entity: ActionEntity) -> ContactEntity:
    from winrt.windows.ai.actions import ContactActionEntity

    contact = entity.as_(ContactActionEntity).contact
    return ContactEntity(
        contact.first_name,
        contact.last_name,
        tuple(email.address for email in contact.emails),
        tuple(phone.number for phone in contact.phones),
    )


def _read_uri(entity: ActionEntity) -> Entity:
    from winrt.windows.ai.actions import UriActionEntity

    return UriEntity(entity.as_(UriActionEntity).uri.absolute_uri)


def _read_date(entity: ActionEntity) -> Entity:
    from winrt.windows.ai.actions import DateTimeActionEntity

    return DateEntity(entity.as_(DateTimeActionEntity).date_time)


def _read_appointment(entity: ActionEntity) -> Entity:
    from winrt.windows.ai.actions import AppointmentActionEntity

    outer = entity.as_(AppointmentActionEntity)
    appointment = outer.appointment
    return AppointmentEntity(
        source_id=outer.source_id,
        subject=appointment.subject,
        start=appointment.start_time,
        duration=appointment.duration or timedelta(),
        location=appointment.location,
        details=appointment.details,
        attendees=tuple(_read_contact(attendee) for attendee in outer.get_attendees()),
    )


def _read_custom_text(entity: ActionEntity) -> Entity:
    from winrt.windows.ai.actions import CustomTextActionEntity

    text = entity.as_(CustomTextActionEntity)
    return CustomTextEntity(text.custom_text_kind, text.key_phrase)


def _read_array(entity: ActionEntity) -> Entity:
    from winrt.windows.ai.actions import ArrayActionEntity

    return ArrayEntity(tuple(read_entity(item) for item in entity.as_(ArrayActionEntity).get_all()))


_READERS: Mapping[str, Any] = {
    "text": _read_text,
    "streaming-text": _read_streaming_text,
    "file": _read_file,
    "photo": _read_photo,
    "document": _read_document,
    "remote-file": _read_remote_file,
    "table": _read_table,
    "contact": _read_contact,
    "uri": _read_uri,
    "date": _read_date,
    "appointment": _read_appointment,
    "custom-text": _read_custom_text,
    "array": _read_array,
}


def _uri(address: str) -> Any:
    from winrt.windows.foundation import Uri

    try:
        return Uri(address)
    except OSError as error:
        if code_of(error) != E_INVALIDARG:
            raise
        raise InvalidRequestError(f"{address!r} is not an absolute address.") from error
