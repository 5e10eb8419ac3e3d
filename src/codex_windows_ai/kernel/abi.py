"""The driver's interface in ctypes: driver/include/ai_driver_ioctl.h, name for name.

The header is the reference for what each field means. A test compiles it and compares every size, offset and
constant with this file. Lower-case names follow the fields; upper-case names the header's constants without `AI_`.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char, c_int32, c_uint32, c_uint64
from typing import ClassVar

ABI_VERSION = 1
DRIVER_SERVICE = "ai_driver"
DEVICE_PATH = r"\\.\AiDriver"

MAX_RUNTIMES = 64
MAX_RUNTIMES_PER_USER = 16
MAX_WAITS = 64
MAX_ADAPTERS = 16
MAX_MODELS = 16
MAX_PREFIXES = 64
MODEL_BYTES = 128
ADAPTER_NAME_BYTES = 128
ENDPOINT_BYTES = 256
LIBRARY_PATH_BYTES = 1024
CHANNEL_GRANULE = 4096
CHANNEL_MIN_BYTES = 65536
CHANNEL_MAX_BYTES = 16777216
ASSUMED_LATENCY_US = 1_000_000
MAX_TEMPERATURE = 1_000_000

IOCTL_GET_VERSION = 0x8A1D6000
IOCTL_REGISTER_WINAI_RUNTIME = 0x8A1DE004
IOCTL_REPORT_STATS = 0x8A1DE008
IOCTL_GET_GPU_STATS = 0x8A1D600C
IOCTL_GET_OPTIMIZED_PATH = 0x8A1D6010
IOCTL_OPEN_CHANNEL = 0x8A1DE014
IOCTL_WAIT_CONNECTION = 0x8A1DE018

CAPABILITY_CHANNELS = 0x1

PROVIDER_LANGUAGE_MODEL = 1
PROVIDER_GPU = 2
PROVIDER_NPU = 3
PROVIDER_CPU = 4

REASON_ONLY_CANDIDATE = 1
REASON_HAS_PREFIX = 2
REASON_LOWEST_WAIT = 3
REASON_LOWEST_LATENCY = 4
REASON_PREFERRED_PROVIDER = 5
REASON_REGISTERED_FIRST = 6

ALL_ADAPTERS = 0
ONE_ADAPTER = 1

UNKNOWN_UTILIZATION = 0xFFFFFFFF
UNKNOWN_TEMPERATURE = -(1 << 31)
UNKNOWN_AGE = (1 << 64) - 1


class Structure(ctypes.Structure):
    """A structure of the interface; a new one knows its own size and is otherwise zero."""

    size: int

    def __init__(self) -> None:
        super().__init__()
        self.size = ctypes.sizeof(self)


class Version(Structure):
    """AI_VERSION."""

    abi_version: int
    capabilities: int
    reserved: int
    _fields_: ClassVar = [
        ("size", c_uint32),
        ("abi_version", c_uint32),
        ("capabilities", c_uint32),
        ("reserved", c_uint32),
    ]


class RuntimeRegistration(Structure):
    """AI_RUNTIME_REGISTRATION."""

    provider_kind: int
    runtime_handle: int
    adapter_luid: int
    capacity: int
    model_count: int
    adapter_name: bytes
    endpoint: bytes
    ep_library_path: bytes
    models: ctypes.Array[ctypes.Array[c_char]]
    _fields_: ClassVar = [
        ("size", c_uint32),
        ("provider_kind", c_uint32),
        ("runtime_handle", c_uint64),
        ("adapter_luid", c_uint64),
        ("capacity", c_uint32),
        ("model_count", c_uint32),
        ("adapter_name", c_char * ADAPTER_NAME_BYTES),
        ("endpoint", c_char * ENDPOINT_BYTES),
        ("ep_library_path", c_char * LIBRARY_PATH_BYTES),
        ("models", c_char * MODEL_BYTES * MAX_MODELS),
    ]


class RuntimeRegistered(Structure):
    """AI_RUNTIME_REGISTERED."""

    reserved: int
    runtime_id: int
    _fields_: ClassVar = [("size", c_uint32), ("reserved", c_uint32), ("runtime_id", c_uint64)]


class RuntimeStats(Structure):
    """AI_RUNTIME_STATS."""

    queue_depth: int
    active_requests: int
    latency_us: int
    memory_total: int
    memory_used: int
    utilization_permille: int
    temperature_millicelsius: int
    prefix_count: int
    reserved: int
    prefixes: ctypes.Array[c_uint64]
    _fields_: ClassVar = [
        ("size", c_uint32),
        ("queue_depth", c_uint32),
        ("active_requests", c_uint32),
        ("latency_us", c_uint32),
        ("memory_total", c_uint64),
        ("memory_used", c_uint64),
        ("utilization_permille", c_uint32),
        ("temperature_millicelsius", c_int32),
        ("prefix_count", c_uint32),
        ("reserved", c_uint32),
        ("prefixes", c_uint64 * MAX_PREFIXES),
    ]


class GpuStatsQuery(Structure):
    """AI_GPU_STATS_QUERY."""

    selection: int
    adapter_luid: int
    _fields_: ClassVar = [("size", c_uint32), ("selection", c_uint32), ("adapter_luid", c_uint64)]


class AdapterStats(ctypes.Structure):
    """AI_ADAPTER_STATS, an entry of AI_GPU_STATS."""

    adapter_luid: int
    memory_total: int
    memory_used: int
    queue_depth: int
    active_requests: int
    age_ms: int
    utilization_permille: int
    temperature_millicelsius: int
    runtime_count: int
    provider_bits: int
    adapter_name: bytes
    _fields_: ClassVar = [
        ("adapter_luid", c_uint64),
        ("memory_total", c_uint64),
        ("memory_used", c_uint64),
        ("queue_depth", c_uint64),
        ("active_requests", c_uint64),
        ("age_ms", c_uint64),
        ("utilization_permille", c_uint32),
        ("temperature_millicelsius", c_int32),
        ("runtime_count", c_uint32),
        ("provider_bits", c_uint32),
        ("adapter_name", c_char * ADAPTER_NAME_BYTES),
    ]


class GpuStatsList(Structure):
    """AI_GPU_STATS."""

    adapter_count: int
    reserved: int
    adapters: ctypes.Array[AdapterStats]
    _fields_: ClassVar = [
        ("size", c_uint32),
        ("adapter_count", c_uint32),
        ("reserved", c_uint64),
        ("adapters", AdapterStats * MAX_ADAPTERS),
    ]


class PathQuery(Structure):
    """AI_PATH_QUERY."""

    provider_bits: int
    prefix_hash: int
    model: bytes
    _fields_: ClassVar = [
        ("size", c_uint32),
        ("provider_bits", c_uint32),
        ("prefix_hash", c_uint64),
        ("model", c_char * MODEL_BYTES),
    ]


class OptimizedPath(Structure):
    """AI_OPTIMIZED_PATH."""

    reason: int
    runtime_id: int
    runtime_handle: int
    adapter_luid: int
    expected_wait_us: int
    latency_us: int
    age_ms: int
    runner_up_id: int
    runner_up_wait_us: int
    provider_kind: int
    process_id: int
    queue_depth: int
    active_requests: int
    capacity: int
    has_prefix: int
    candidates: int
    prefix_holders: int
    without_model: int
    without_provider: int
    adapter_name: bytes
    endpoint: bytes
    ep_library_path: bytes
    model: bytes
    _fields_: ClassVar = [
        ("size", c_uint32),
        ("reason", c_uint32),
        ("runtime_id", c_uint64),
        ("runtime_handle", c_uint64),
        ("adapter_luid", c_uint64),
        ("expected_wait_us", c_uint64),
        ("latency_us", c_uint64),
        ("age_ms", c_uint64),
        ("runner_up_id", c_uint64),
        ("runner_up_wait_us", c_uint64),
        ("provider_kind", c_uint32),
        ("process_id", c_uint32),
        ("queue_depth", c_uint32),
        ("active_requests", c_uint32),
        ("capacity", c_uint32),
        ("has_prefix", c_uint32),
        ("candidates", c_uint32),
        ("prefix_holders", c_uint32),
        ("without_model", c_uint32),
        ("without_provider", c_uint32),
        ("adapter_name", c_char * ADAPTER_NAME_BYTES),
        ("endpoint", c_char * ENDPOINT_BYTES),
        ("ep_library_path", c_char * LIBRARY_PATH_BYTES),
        ("model", c_char * MODEL_BYTES),
    ]


class ChannelRequest(Structure):
    """AI_CHANNEL_REQUEST."""

    section_bytes: int
    runtime_id: int
    _fields_: ClassVar = [("size", c_uint32), ("section_bytes", c_uint32), ("runtime_id", c_uint64)]


class Channel(Structure):
    """AI_CHANNEL."""

    section_bytes: int
    channel_id: int
    runtime_id: int
    section: int
    to_runtime: int
    to_client: int
    closed: int
    peer_process_id: int
    reserved: int
    _fields_: ClassVar = [
        ("size", c_uint32),
        ("section_bytes", c_uint32),
        ("channel_id", c_uint64),
        ("runtime_id", c_uint64),
        ("section", c_uint64),
        ("to_runtime", c_uint64),
        ("to_client", c_uint64),
        ("closed", c_uint64),
        ("peer_process_id", c_uint32),
        ("reserved", c_uint32),
    ]
