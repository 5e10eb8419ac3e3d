"""What a driver's file says about itself: the parts of the PE format that decide whether Windows loads it.

Offsets are those of Microsoft's "PE Format" specification; only 64-bit images (PE32+) are read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from codex_windows_ai.errors import InvalidRequestError, NotAvailableError

__all__ = ["DriverImage", "Section", "read_image"]

MACHINES = {0x8664: "AMD64", 0xAA64: "ARM64"}
SUBSYSTEM_NATIVE = 1

_EXPORTS, _IMPORTS, _EXCEPTIONS, _CERTIFICATES, _RELOCATIONS = 0, 1, 3, 4, 5
_PKCS_SIGNED_DATA = 2
# The subject of the certificate with which Microsoft signs other people's drivers.
_MICROSOFT = b"Microsoft Windows Hardware Compatibility Publisher"


@dataclass(frozen=True, slots=True)
class Section:
    """A section as it is mapped; `address` and `size` in bytes from the image's base."""

    name: str
    address: int
    size: int
    executable: bool
    writable: bool


@dataclass(frozen=True, slots=True)
class DriverImage:
    """A driver's file. `signer` is a hint for messages, not a verification: that is Windows' own, when it loads."""

    machine: str
    subsystem: int
    timestamp: int
    entry_point: int
    section_alignment: int
    characteristics: int
    checksum: int
    actual_checksum: int
    sections: tuple[Section, ...]
    imports: dict[str, tuple[str, ...]]
    has_exports: bool
    has_unwind_data: bool
    has_relocations: bool
    signer: Literal["microsoft", "other"] | None


def read_image(file: Path) -> DriverImage:
    """Read a driver's file.

    Raises NotAvailableError: there is no such file. Raises InvalidRequestError: it is not a 64-bit image.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise NotAvailableError(f"There is no driver at {file}.", hint="Build it: `cwai driver build`.") from error
    try:
        return _Reader(data).read()
    except (struct.error, IndexError, ValueError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{file} is not a 64-bit Windows image: {error}.") from error


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._header = self._number("I", 0x3C)
        if data[:2] != b"MZ" or data[self._header : self._header + 4] != b"PE\0\0":
            raise ValueError("it has no PE header")
        self._optional = self._header + 24
        if self._number("H", self._optional) != 0x20B:
            raise ValueError("it is a 32-bit image")

    def read(self) -> DriverImage:
        machine = self._number("H", self._header + 4)
        self._sections = self._read_sections()
        return DriverImage(
            machine=MACHINES.get(machine, hex(machine)),
            subsystem=self._number("H", self._optional + 68),
            timestamp=self._number("I", self._header + 8),
            entry_point=self._number("I", self._optional + 16),
            section_alignment=self._number("I", self._optional + 32),
            characteristics=self._number("H", self._optional + 70),
            checksum=self._number("I", self._optional + 64),
            actual_checksum=self._checksum(),
            sections=tuple(section for section, _ in self._sections),
            imports=self._imports(),
            has_exports=self._directory(_EXPORTS)[1] != 0,
            has_unwind_data=self._directory(_EXCEPTIONS)[1] != 0,
            has_relocations=self._directory(_RELOCATIONS)[1] != 0,
            signer=self._signer(),
        )

    def _number(self, kind: str, offset: int) -> int:
        return struct.unpack_from("<" + kind, self._data, offset)[0]

    def _directory(self, index: int) -> tuple[int, int]:
        """Address and size of an entry of the data directory."""
        if index >= self._number("I", self._optional + 108):
            return 0, 0
        address, size = struct.unpack_from("<II", self._data, self._optional + 112 + 8 * index)
        return address, size

    def _read_sections(self) -> list[tuple[Section, int]]:
        """The sections, each with where its bytes are in the file."""
        table = self._optional + self._number("H", self._header + 20)
        sections: list[tuple[Section, int]] = []
        for index in range(self._number("H", self._header + 6)):
            entry = table + 40 * index
            name = self._data[entry : entry + 8].rstrip(b"\0").decode("ascii")
            size, address, _, offset = struct.unpack_from("<IIII", self._data, entry + 8)
            flags = self._number("I", entry + 36)
            section = Section(name, address, size, bool(flags & 0x20000000), bool(flags & 0x80000000))
            sections.append((section, offset))
        return sections

    def _offset(self, address: int) -> int:
        for section, offset in self._sections:
            if section.address <= address < section.address + section.size:
                return address - section.address + offset
        raise ValueError(f"nothing is mapped at {address:#x}")

    def _text(self, address: int) -> str:
        start = self._offset(address)
        return self._data[start : self._data.index(b"\0", start)].decode("ascii")

    def _imports(self) -> dict[str, tuple[str, ...]]:
        address, size = self._directory(_IMPORTS)
        imports: dict[str, tuple[str, ...]] = {}
        if size == 0:
            return imports
        entry = self._offset(address)
        while name := self._number("I", entry + 12):
            names: list[str] = []
            lookup = self._offset(self._number("I", entry) or self._number("I", entry + 16))
            while value := self._number("Q", lookup):
                # The highest bit: imported by number, which has no name to look at.
                names.append(f"#{value & 0xFFFF}" if value >> 63 else self._text(value + 2))
                lookup += 8
            imports[self._text(name).lower()] = tuple(sorted(names))
            entry += 20
        return imports

    def _signer(self) -> Literal["microsoft", "other"] | None:
        # Of all directories only this one gives an offset in the file.
        offset, size = self._directory(_CERTIFICATES)
        if size == 0 or self._number("H", offset + 6) != _PKCS_SIGNED_DATA:
            return None
        return "microsoft" if _MICROSOFT in self._data[offset : offset + size] else "other"

    def _checksum(self) -> int:
        """The sum that the header must hold, as MapFileAndCheckSum of imagehlp.dll computes it."""
        padded = bytearray(self._data + b"\0" * (-len(self._data) % 4))
        padded[self._optional + 64 : self._optional + 68] = bytes(4)
        total = sum(struct.unpack(f"<{len(padded) // 2}H", padded))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        return total + len(self._data)
