"""Live figures of a machine's chips, whichever interface they were read from."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AdapterFigures", "CpuFigures", "MachineFigures", "MemoryFigures"]


@dataclass(frozen=True, slots=True)
class AdapterFigures:
    """A graphics adapter now; None is unknown. `source` is who gave the figures.

    `address` is its PCI address; Windows' counters know adapters by `luid` only, Windows' number of them.
    `load_percent` is the share of time in which it worked at all, over the interface's own last interval.
    """

    name: str
    vendor: str
    address: str
    driver: str | None
    source: str
    load_percent: float | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    temperature_celsius: float | None = None
    power_watts: float | None = None
    luid: int | None = None


@dataclass(frozen=True, slots=True)
class CpuFigures:
    """The processor now."""

    name: str
    physical_cores: int
    logical_cores: int
    load_percent: float


@dataclass(frozen=True, slots=True)
class MemoryFigures:
    """Main memory now; what is available can be had without swapping."""

    total_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True)
class MachineFigures:
    """All chips of a machine now."""

    adapters: list[AdapterFigures]
    cpu: CpuFigures
    memory: MemoryFigures
