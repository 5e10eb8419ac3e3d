"""The ctypes mirror against the header, as a C compiler sees it."""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
from pathlib import Path

import pytest

from codex_windows_ai.kernel import abi

HEADER = Path(__file__).parents[2] / "driver" / "include" / "ai_driver_ioctl.h"

STRUCTURES: dict[str, type[ctypes.Structure]] = {
    "AI_VERSION": abi.Version,
    "AI_RUNTIME_REGISTRATION": abi.RuntimeRegistration,
    "AI_RUNTIME_REGISTERED": abi.RuntimeRegistered,
    "AI_RUNTIME_STATS": abi.RuntimeStats,
    "AI_GPU_STATS_QUERY": abi.GpuStatsQuery,
    "AI_ADAPTER_STATS": abi.AdapterStats,
    "AI_GPU_STATS": abi.GpuStatsList,
    "AI_PATH_QUERY": abi.PathQuery,
    "AI_OPTIMIZED_PATH": abi.OptimizedPath,
    "AI_CHANNEL_REQUEST": abi.ChannelRequest,
    "AI_CHANNEL": abi.Channel,
}
# What only C needs: to make codes and to check sizes; and what Python computes instead.
WITHOUT_MIRROR = {"DRIVER_IOCTL_H", "DEVICE_TYPE", "ACCESS_READ", "ACCESS_READ_WRITE", "IOCTL", "ASSERT_SIZE"}
WITHOUT_MIRROR |= {"PROVIDER_BIT", "PROVIDER_BITS", "LATENCY_WEIGHT"}


def fields_in_python(structure: type[ctypes.Structure]) -> dict[str, list[int]]:
    names = [field[0] for field in structure._fields_]
    return {name: [getattr(structure, name).offset, getattr(structure, name).size] for name in names}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What a C program says: for each structure its size and its fields' offsets and sizes; and the constants."""
    lines = ["#include <stdio.h>", f'#include "{HEADER}"', "int main(void) {", 'printf("{");']
    for name, structure in STRUCTURES.items():
        lines.append(f'printf("\\"{name}\\": {{\\"size\\": %zu", sizeof({name}));')
        for field in fields_in_python(structure):
            place = f"offsetof({name}, {field}), sizeof((({name} *)0)->{field})"
            lines.append(f'printf(", \\".{field}\\": [%zu, %zu]", {place});')
        lines.append('printf("}, ");')
    lines.append('printf("\\"constants\\": {");')
    lines += [f'printf("\\"{name}\\": %lld, ", (long long)({name}));' for name in constants_in_header()]
    lines += ['printf("\\"\\": 0}}");', "return 0; }"]
    folder = tmp_path_factory.mktemp("abi")
    (folder / "tell.c").write_text("\n".join(lines), encoding="utf-8")
    subprocess.run(["gcc", "-std=c11", "-Wpadded", "-Werror", "tell.c", "-o", "tell"], cwd=folder, check=True)
    return json.loads(subprocess.run([folder / "tell"], capture_output=True, check=True).stdout)


def constants_in_header() -> list[str]:
    text = HEADER.read_text(encoding="utf-8")
    defined = re.findall(r"^#define ((?:IOCTL_)?AI_\w+)(?= [^\"\n]*$)", text, re.MULTILINE)
    listed = re.findall(r"^    (AI_\w+) = ", text, re.MULTILINE) + re.findall(r"[{,] (AI_\w+) = ", text)
    return [name for name in defined + listed if name.replace("AI_", "", 1) not in WITHOUT_MIRROR]


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_has_the_size_and_the_fields_of_the_header(told: dict[str, dict[str, object]], name: str) -> None:
    structure = STRUCTURES[name]
    fields = fields_in_python(structure)

    assert ctypes.sizeof(structure) == told[name]["size"]
    assert fields == {field: told[name][f".{field}"] for field in fields}
    # Every byte belongs to a field, so the header has none that this file lacks.
    assert sum(size for _, size in fields.values()) == ctypes.sizeof(structure)


def test_every_structure_of_the_header_is_mirrored() -> None:
    assert set(re.findall(r"^} (AI_\w+);", HEADER.read_text(encoding="utf-8"), re.MULTILINE)) == set(STRUCTURES)


def test_every_constant_has_the_value_of_the_header(told: dict[str, dict[str, object]]) -> None:
    in_header = {name.replace("AI_", "", 1): value for name, value in told["constants"].items() if name}
    in_python = {name: value for name, value in vars(abi).items() if name.isupper() and isinstance(value, int)}
    in_python.pop("UNKNOWN_AGE")  # UINT64_MAX in C

    assert len(in_header) > 30
    assert in_python == in_header


def test_the_names_are_those_of_the_header() -> None:
    text = HEADER.read_text(encoding="utf-8")

    assert f'#define AI_DRIVER_SERVICE "{abi.DRIVER_SERVICE}"' in text
    assert abi.DEVICE_PATH.replace("\\", "\\\\") in text


def test_a_new_structure_knows_its_size_and_is_otherwise_zero() -> None:
    query = abi.PathQuery()

    assert query.size == ctypes.sizeof(query) == 144
    assert bytes(query)[4:] == bytes(140)
