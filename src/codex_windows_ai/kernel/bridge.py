"""`KernelDriverBridge`: the kernel driver as Python sees it. What each request means is in ai_driver_ioctl.h."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from codex_windows_ai.errors import DriverVersionError, InvalidRequestError
from codex_windows_ai.kernel import abi
from codex_windows_ai.kernel.brokered_channel import BrokeredChannel
from codex_windows_ai.kernel.device import Device

__all__ = ["DriverVersion", "GpuStats", "KernelDriverBridge", "OptimizedPath", "ProviderKind"]

ProviderKind = Literal["language-model", "gpu", "npu", "cpu"]

_PROVIDER_KINDS: dict[ProviderKind, int] = {
    "language-model": abi.PROVIDER_LANGUAGE_MODEL,
    "gpu": abi.PROVIDER_GPU,
    "npu": abi.PROVIDER_NPU,
    "cpu": abi.PROVIDER_CPU,
}
_PROVIDER_NAMES: dict[int, ProviderKind] = {value: name for name, value in _PROVIDER_KINDS.items()}

_REASONS = {
    abi.REASON_ONLY_CANDIDATE: "it is the only one that fits",
    abi.REASON_HAS_PREFIX: "it has read the beginning of this prompt before",
    abi.REASON_LOWEST_WAIT: "its expected wait is the shortest",
    abi.REASON_LOWEST_LATENCY: "the waits are equal and it answers fastest",
    abi.REASON_PREFERRED_PROVIDER: "the figures are equal and its kind of provider is preferred",
    abi.REASON_REGISTERED_FIRST: "everything is equal and it registered first",
}


@dataclass(frozen=True, slots=True)
class DriverVersion:
    """Which interface the driver speaks, and whether it brokers channels."""

    abi_version: int
    channels: bool


@dataclass(frozen=True, slots=True)
class GpuStats:
    """One adapter, as its runtimes reported it last. None is what nobody reported.

    Memory in bytes, utilization from 0 to 1, age of the newest report in seconds.
    `adapter_luid` 0 stands for runtimes without an adapter: their figures are the system's.
    """

    adapter_name: str
    adapter_luid: int
    memory_total: int | None
    memory_used: int | None
    utilization: float | None
    temperature_celsius: float | None
    queue_depth: int
    active_requests: int
    runtime_count: int
    providers: tuple[ProviderKind, ...]
    age_seconds: float | None
    source: str = "ai_driver"


@dataclass(frozen=True, slots=True)
class OptimizedPath:
    """The runtime to ask, and why it. Times in seconds; None is what is not known or not there."""

    runtime_id: int
    runtime_handle: int
    process_id: int
    provider: ProviderKind
    adapter_name: str
    adapter_luid: int
    endpoint: str
    ep_library_path: str
    model: str
    expected_wait: float
    latency: float | None
    queue_depth: int
    active_requests: int
    capacity: int
    has_prefix: bool
    age_seconds: float | None
    runner_up_id: int | None
    runner_up_wait: float | None
    candidates: int
    prefix_holders: int
    without_model: int
    without_provider: int
    reason: str

    @property
    def explanation(self) -> str:
        """Why this one and not the others, in a sentence."""
        wait_ms = self.expected_wait * 1000
        parts = [f"runtime {self.runtime_id} ({self.provider}, expected wait {wait_ms:.1f} ms): {self.reason}"]
        if self.runner_up_id is not None and self.runner_up_wait is not None:
            parts.append(f"next would be runtime {self.runner_up_id} ({self.runner_up_wait * 1000:.1f} ms)")
        if self.prefix_holders and not self.has_prefix:
            parts.append("the one that has read the prompt's beginning is too busy")
        if self.without_model:
            parts.append(f"{self.without_model} without the model")
        if self.without_provider:
            parts.append(f"{self.without_provider} of another kind")
        return "; ".join(parts)


class KernelDriverBridge:
    """A session with the driver; use it as a context manager, or call `close`.

    A session is either a runtime (after `register_windows_ai_runtime`) or has a channel (after `open_channel`). All
    that it registered or opened ends with it, and with its process. Methods may be called from several threads.

    Every method raises DriverStateError when the session was closed or is in the other role, and DriverError when the
    driver failed.
    """

    def __init__(self, device: Device, version: DriverVersion) -> None:
        self._device = device
        self.version = version

    @classmethod
    def open(cls, *, writable: bool = True) -> Self:
        """Open a session; `writable=False` is enough for the three `get_` requests.

        Raises DriverNotFoundError: no Windows, no driver, or a driver that is not running.
        Raises DriverAccessDeniedError: this user may not open the driver.
        Raises DriverVersionError: the driver is of another version than this package.
        """
        device = Device.open(writable=writable)
        try:
            version = abi.Version()
            device.control("Asking the driver's version", abi.IOCTL_GET_VERSION, None, version)
            if version.abi_version != abi.ABI_VERSION:
                raise DriverVersionError(
                    f"The driver speaks version {version.abi_version} of its interface, "
                    f"this program {abi.ABI_VERSION}.",
                    hint="Install the driver that belongs to this version: `cwai driver install`.",
                )
        except BaseException:
            device.close()
            raise
        return cls(device, DriverVersion(version.abi_version, bool(version.capabilities & abi.CAPABILITY_CHANNELS)))

    @property
    def handle(self) -> int | None:
        """The session's handle in this process, until the session is closed."""
        return self._device.handle

    def close(self) -> None:
        """End the session; a `wait_connection` in another thread raises. May be called again."""
        self._device.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def register_windows_ai_runtime(
        self,
        *,
        provider: ProviderKind,
        models: Sequence[str],
        runtime_handle: int = 0,
        adapter_luid: int = 0,
        adapter_name: str = "",
        endpoint: str = "",
        ep_library_path: str = "",
        capacity: int = 1,
    ) -> int:
        """Announce this process as a runtime; gives the runtime's id, which no other runtime ever gets.

        `runtime_handle` is any number of the runtime's own, told to clients; `capacity` how many requests it works on
        at the same time; `adapter_luid` is HighPart << 32 | LowPart, 0 without an adapter.

        Raises InvalidRequestError: a value is out of range or a text too long.
        """
        if not 1 <= len(models) <= abi.MAX_MODELS:
            raise InvalidRequestError(f"A runtime registers 1 to {abi.MAX_MODELS} models, not {len(models)}.")
        registration = abi.RuntimeRegistration()
        registration.provider_kind = _kind(provider)
        registration.runtime_handle = _number("runtime_handle", runtime_handle, 64)
        registration.adapter_luid = _number("adapter_luid", adapter_luid, 64)
        registration.capacity = _number("capacity", capacity, 32, least=1)
        registration.model_count = len(models)
        registration.adapter_name = _text("adapter_name", adapter_name, abi.ADAPTER_NAME_BYTES)
        registration.endpoint = _text("endpoint", endpoint, abi.ENDPOINT_BYTES)
        registration.ep_library_path = _text("ep_library_path", ep_library_path, abi.LIBRARY_PATH_BYTES)
        for index, model in enumerate(models):
            if not model:
                raise InvalidRequestError("A model's name is empty.")
            registration.models[index].value = _text("models", model, abi.MODEL_BYTES)
        registered = abi.RuntimeRegistered()
        self._device.control("Registering a runtime", abi.IOCTL_REGISTER_WINAI_RUNTIME, registration, registered)
        return registered.runtime_id

    def report_stats(
        self,
        *,
        queue_depth: int,
        active_requests: int,
        latency: float | None = None,
        memory_total: int | None = None,
        memory_used: int | None = None,
        utilization: float | None = None,
        temperature_celsius: float | None = None,
        prefixes: Sequence[int] = (),
    ) -> None:
        """Report how the registered runtime is doing; replaces its last report.

        `latency` is the mean time in seconds, from start to end, of the requests that finished since the last report;
        `prefixes` are 64-bit hashes, none of them 0, of the prompt prefixes it holds (the first MAX_PREFIXES count).

        Raises InvalidRequestError: a value is out of range.
        """
        stats = abi.RuntimeStats()
        stats.queue_depth = _number("queue_depth", queue_depth, 32)
        stats.active_requests = _number("active_requests", active_requests, 32)
        stats.latency_us = 0 if latency is None else _number("latency", max(1, round(latency * 1e6)), 32)
        stats.memory_total = _number("memory_total", memory_total or 0, 64)
        stats.memory_used = _number("memory_used", memory_used or 0, 64)
        stats.utilization_permille = abi.UNKNOWN_UTILIZATION
        if utilization is not None:
            if not 0 <= utilization <= 1:
                raise InvalidRequestError(f"utilization is {utilization}; it goes from 0 to 1.")
            stats.utilization_permille = round(utilization * 1000)
        stats.temperature_millicelsius = abi.UNKNOWN_TEMPERATURE
        if temperature_celsius is not None:
            if not -abi.MAX_TEMPERATURE <= temperature_celsius * 1000 <= abi.MAX_TEMPERATURE:
                raise InvalidRequestError(f"temperature_celsius is {temperature_celsius}.")
            stats.temperature_millicelsius = round(temperature_celsius * 1000)
        held = list(prefixes[: abi.MAX_PREFIXES])
        stats.prefix_count = len(held)
        for index, prefix in enumerate(held):
            stats.prefixes[index] = _number("prefixes", prefix, 64, least=1)
        self._device.control("Reporting statistics", abi.IOCTL_REPORT_STATS, stats)

    def get_gpu_stats(self, adapter_luid: int | None = None) -> list[GpuStats]:
        """The figures of one adapter, or of all on which this user's runtimes run, in the order of their LUID.

        Raises NoRuntimeError: an adapter was named on which no runtime of this user runs.
        """
        query, found = abi.GpuStatsQuery(), abi.GpuStatsList()
        if adapter_luid is not None:
            query.selection = abi.ONE_ADAPTER
            query.adapter_luid = _number("adapter_luid", adapter_luid, 64)
        self._device.control("Asking for the adapters' figures", abi.IOCTL_GET_GPU_STATS, query, found)
        return [_gpu_stats(found.adapters[index]) for index in range(found.adapter_count)]

    def get_optimized_gpu_stats(
        self, model: str = "", *, prefix_hash: int = 0, providers: Sequence[ProviderKind] = ()
    ) -> GpuStats:
        """The figures of the adapter that `get_optimized_path` would choose.

        Raises NoRuntimeError: no runtime of this user fits.
        """
        path = self.get_optimized_path(model, prefix_hash=prefix_hash, providers=providers)
        return self.get_gpu_stats(path.adapter_luid)[0]

    def get_optimized_path(
        self, model: str = "", *, prefix_hash: int = 0, providers: Sequence[ProviderKind] = ()
    ) -> OptimizedPath:
        """The runtime with the shortest expected wait, preferring one that has the prompt's prefix.

        An empty `model` and no `providers` mean any. `prefix_hash` 0 means no preference.

        Raises NoRuntimeError: no runtime of this user fits.
        """
        query, path = abi.PathQuery(), abi.OptimizedPath()
        query.model = _text("model", model, abi.MODEL_BYTES)
        query.prefix_hash = _number("prefix_hash", prefix_hash, 64)
        for provider in providers:
            query.provider_bits |= 1 << _kind(provider)
        self._device.control("Asking for the best runtime", abi.IOCTL_GET_OPTIMIZED_PATH, query, path)
        return _optimized_path(path)

    def open_channel(self, runtime_id: int, *, section_bytes: int = 1 << 20) -> BrokeredChannel:
        """Make shared memory with a runtime, which gets its side from `wait_connection`. The caller closes it.

        `section_bytes` is a multiple of 4096 from 64 KiB to 16 MiB. A session has one channel at a time.

        Raises NoRuntimeError: the runtime is gone. Raises ChannelRefusedError: it takes no connection now; try again.
        Raises InvalidRequestError: a value is out of range.
        """
        request, channel = abi.ChannelRequest(), abi.Channel()
        request.section_bytes = _number("section_bytes", section_bytes, 32)
        request.runtime_id = _number("runtime_id", runtime_id, 64)
        self._device.control("Opening a channel", abi.IOCTL_OPEN_CHANNEL, request, channel)
        return BrokeredChannel.of(channel, side="client")

    def wait_connection(self, timeout: float | None = None) -> BrokeredChannel | None:
        """Wait for a client to open a channel to this runtime; None when `timeout` seconds passed first.

        Several threads may wait; each gets one client. The caller closes the channel.

        Raises DriverStateError: this session is no runtime, or was closed meanwhile.
        Raises ChannelRefusedError: a client went away while its channel was made; wait again.
        """
        channel = abi.Channel()
        if not self._device.wait("Waiting for a client", abi.IOCTL_WAIT_CONNECTION, channel, timeout):
            return None
        return BrokeredChannel.of(channel, side="runtime")


def _kind(provider: ProviderKind) -> int:
    if provider not in _PROVIDER_KINDS:
        raise InvalidRequestError(f"There is no provider {provider!r}.", hint=f"One of {', '.join(_PROVIDER_KINDS)}.")
    return _PROVIDER_KINDS[provider]


def _number(name: str, value: int, bits: int, *, least: int = 0) -> int:
    """Refuse a number that does not fit; ctypes would drop its upper bits."""
    if not least <= value < 1 << bits:
        raise InvalidRequestError(f"{name} is {value}; it goes from {least} to {(1 << bits) - 1}.")
    return value


def _text(name: str, value: str, capacity: int) -> bytes:
    encoded = value.encode("utf-8", errors="surrogatepass")
    if len(encoded) >= capacity:
        raise InvalidRequestError(f"{name} is {len(encoded)} bytes of UTF-8; at most {capacity - 1} fit.")
    if "\0" in value:
        raise InvalidRequestError(f"{name} contains a NUL character.")
    return encoded


def _seconds(milliseconds: int) -> float | None:
    return None if milliseconds == abi.UNKNOWN_AGE else milliseconds / 1000


def _gpu_stats(adapter: abi.AdapterStats) -> GpuStats:
    utilization, temperature = adapter.utilization_permille, adapter.temperature_millicelsius
    return GpuStats(
        adapter_name=adapter.adapter_name.decode(),
        adapter_luid=adapter.adapter_luid,
        memory_total=adapter.memory_total or None,
        memory_used=adapter.memory_used if adapter.memory_total else None,
        utilization=None if utilization == abi.UNKNOWN_UTILIZATION else utilization / 1000,
        temperature_celsius=None if temperature == abi.UNKNOWN_TEMPERATURE else temperature / 1000,
        queue_depth=adapter.queue_depth,
        active_requests=adapter.active_requests,
        runtime_count=adapter.runtime_count,
        providers=tuple(name for name, kind in _PROVIDER_KINDS.items() if adapter.provider_bits >> kind & 1),
        age_seconds=_seconds(adapter.age_ms),
    )


def _optimized_path(path: abi.OptimizedPath) -> OptimizedPath:
    return OptimizedPath(
        runtime_id=path.runtime_id,
        runtime_handle=path.runtime_handle,
        process_id=path.process_id,
        provider=_PROVIDER_NAMES[path.provider_kind],
        adapter_name=path.adapter_name.decode(),
        adapter_luid=path.adapter_luid,
        endpoint=path.endpoint.decode(),
        ep_library_path=path.ep_library_path.decode(),
        model=path.model.decode(),
        expected_wait=path.expected_wait_us / 1e6,
        latency=path.latency_us / 1e6 if path.latency_us else None,
        queue_depth=path.queue_depth,
        active_requests=path.active_requests,
        capacity=path.capacity,
        has_prefix=bool(path.has_prefix),
        age_seconds=_seconds(path.age_ms),
        runner_up_id=path.runner_up_id or None,
        runner_up_wait=path.runner_up_wait_us / 1e6 if path.runner_up_id else None,
        candidates=path.candidates,
        prefix_holders=path.prefix_holders,
        without_model=path.without_model,
        without_provider=path.without_provider,
        reason=_REASONS[path.reason],
    )
