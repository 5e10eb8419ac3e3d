"""All settings in one model: flag > environment > file > default.

The file is `settings.toml` in the user's configuration folder; the variables start with
`CODEX_WINDOWS_AI_`. `CODEX_WINDOWS_AI_HOME` moves everything this program writes below one folder.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import platformdirs
from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from codex_windows_ai.errors import SettingsError

APPLICATION = "codex-windows-ai"
ENVIRONMENT_PREFIX = "CODEX_WINDOWS_AI_"
DEFAULT_MODEL = "smollm2-135m-instruct"

KVPrecision = Literal["auto", "float32", "float16"]
Fallback = Literal["refuse", "announce"]
Device = Literal["gpu", "npu", "cpu"]
ChatFormatName = Literal["auto", "qwen-xml", "glm", "llama", "mistral", "phi4", "gemma3", "gemma4", "harmony", "hermes"]

_PROVIDERS = ("auto", "language-model", "engine", "engine:gpu", "engine:npu", "engine:cpu")
_ACTION = "action:.+"


def _known_provider(value: str) -> str:
    if value not in _PROVIDERS and not re.fullmatch(_ACTION, value):
        raise PydanticCustomError(
            "provider",
            "Must be one of {names}, or action:ID with the id of an app's action",
            {"names": ", ".join(_PROVIDERS)},
        )
    return value


Provider = Annotated[
    str,
    AfterValidator(_known_provider),
    WithJsonSchema({"type": "string", "anyOf": [{"enum": list(_PROVIDERS)}, {"pattern": f"^{_ACTION}$"}]}),
]
"""Who may be asked for: by the setting, for everything the host answers; by a request, for itself."""


_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*", re.IGNORECASE)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\*|[^\s/?#@*]*(:\*)?)", re.IGNORECASE)
_ANY_SITE = re.compile(r"(https?|wss?)://\*", re.IGNORECASE)


def _split(value: Any) -> Any:
    """A list as it is; of a variable's text a JSON list, or entries with commas between them."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [entry.strip() for entry in value.split(",") if entry.strip()]


def _host_name(value: str) -> str:
    if not _HOST_NAME.fullmatch(value):
        raise PydanticCustomError("host_name", "Must be names or addresses alone, such as host.docker.internal")
    return value


def _origin(value: str) -> str:
    if value != "null" and (not _ORIGIN.fullmatch(value) or _ANY_SITE.fullmatch(value)):
        raise PydanticCustomError(
            "origin",
            "Must be origins such as app://obsidian.md or http://localhost:3000, without a path; * may stand for the "
            "whole name where that is no web site's (vscode-webview://*), or for the port (http://localhost:*)",
        )
    return value


HostNames = Annotated[tuple[Annotated[str, AfterValidator(_host_name)], ...], NoDecode, BeforeValidator(_split)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_split)]


def _home() -> Path | None:
    value = os.environ.get(f"{ENVIRONMENT_PREFIX}HOME")
    return Path(value) if value else None


def cache_folder() -> Path:
    """Where downloaded and converted models live; safe to delete."""
    home = _home()
    return home / "cache" if home else Path(platformdirs.user_cache_dir(APPLICATION, appauthor=False))


def state_folder() -> Path:
    """Where the host says how to reach it: its address, its token, its log."""
    home = _home()
    return home / "state" if home else Path(platformdirs.user_state_dir(APPLICATION, appauthor=False))


def settings_file() -> Path:
    """Where the user's settings file is looked for; it need not exist."""
    home = _home()
    folder = home / "config" if home else Path(platformdirs.user_config_dir(APPLICATION, appauthor=False))
    return folder / "settings.toml"


class _TomlFile(PydanticBaseSettingsSource):
    """Reads the settings file, so that its errors name the file."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # __call__ returns the whole file at once

    def __call__(self) -> dict[str, Any]:
        file = settings_file()
        try:
            return tomllib.loads(file.read_text(encoding="utf-8-sig"))  # Windows' editors write the mark
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"Cannot read the settings file {file}: {error}") from error


class Settings(BaseSettings):
    """What a user can set. Field descriptions are the reference."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True
    )

    model: str = Field(default=DEFAULT_MODEL, description="Name of an installed model, or the path of a model folder.")
    provider: Provider = Field(default="auto", description="Who answers: `auto`, or one provider and nothing else.")
    require_device: Device | None = Field(
        default=None, description="Fail unless this kind of device answers; a better device is then no substitute."
    )
    execution_provider_library: Path | None = Field(
        default=None, description="A library of an execution provider (an ONNX Runtime plugin) to use besides Windows'."
    )
    limited_access_token: SecretStr | None = Field(
        default=None, description="Microsoft's token for Windows' own language model, where Windows asks for one."
    )
    use_windows_ai: bool = Field(
        default=False, description="`cwai codex` and the MCP tool `codex` act as with `--use-windows-ai`."
    )
    kernel_accelerated: bool = Field(default=False, description="Take the kernel path as `--kernel-accelerated` does.")
    fallback: Fallback = Field(
        default="refuse",
        description="Where the kernel path is wanted and not available: `refuse` ends with exit code 4, `announce` "
        "takes HTTP and says so.",
    )
    codex_tools: bool | None = Field(
        default=None,
        description="Codex offers its tools to the model of this machine; default: if it has a billion parameters.",
    )
    chat_format: ChatFormatName = Field(
        default="auto",
        description="How the model calls tools: `auto` finds it out from the model's chat template; a name of a form "
        "(docs/chat.md) is for a model whose template does not say what it was trained to.",
    )
    kv_cache: KVPrecision = Field(
        default="auto",
        description="Numbers that keys and values are kept as, on the processor: `float32` is exact, `float16` takes "
        "half the memory; `auto` is `float16` where the model's window would not fit otherwise.",
    )
    thinking_budget: int | None = Field(
        default=None,
        ge=0,
        description="Most tokens that a thinking model may think before it answers, where a request does not say; 0: "
        "none. Default, and at most: three quarters of what the answer may have.",
    )
    memory: ByteSize | None = Field(
        default=None,
        gt=0,
        description="Memory that a model may take, weights, keys and values and all: `6GB`, `6GiB`, or bytes; default: "
        "up to four fifths of the machine's, of which keys and values take what a window needs, or a quarter at most.",
    )
    reading_pause: float = Field(
        default=0.12,
        gt=0,
        le=10,
        description="Seconds that answers under way may pause at a time while a prompt is read: less is smoother for "
        "them, more reads prompts faster.",
    )
    threads: int | None = Field(default=None, ge=1, description="Threads of the engine; default: physical cores.")
    port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port of the host; default: 8417, or any free one where that is taken.",
    )
    allowed_origins: Origins = Field(
        default=(),
        description="Web pages and desktop programs' web views that may call the host, by their origins: "
        "`app://obsidian.md`, `vscode-webview://*`, `http://localhost:3000`, `null`.",
    )
    allowed_hosts: HostNames = Field(
        default=(),
        description="Names that clients may call the host by, besides those of this machine: `host.docker.internal`.",
    )
    open_loopback: bool = Field(
        default=False,
        description="Programs of this machine, of every user, need no token for the endpoints below `/v1/`: for "
        "clients that have no field for a key.",
    )
    idle_stop: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="The host ends after so many seconds without a request, 0 never; "
        "default: 1800 for one that was started on demand, never for `cwai serve`.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flag (init) > environment > file; no dotenv files and no secrets folder."""
        return init_settings, env_settings, _TomlFile(settings_cls)


def load_settings(**flags: Any) -> Settings:
    """Settings of this process; `flags` that are None count as not given.

    Raises SettingsError: the file or a variable does not parse or names an unknown setting.
    """
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"Setting `{name}`: {first['msg']} (given: {first['input']!r})",
            hint=f"It comes from a flag, from {ENVIRONMENT_PREFIX}{name.upper()}, or from {settings_file()}.",
        ) from error
