"""Every error this package raises on purpose, and what each means outside Python.

    WindowsAiError
    ├── InvalidRequestError             the request cannot be served as it is
    │   ├── ContextLengthExceededError  the prompt leaves no room in the model's window
    │   ├── InvalidGrammarError         a grammar, schema or regex that cannot be compiled or satisfied
    │   ├── RequestTooLargeError        a body larger than the host takes
    │   ├── RequestTimeoutError         a body that did not come in time
    │   ├── ProviderNotAvailableError   the provider that the request names is not open here
    │   ├── UnsupportedRequestError     who answers cannot do what the request asks for
    │   │   └── PromptTooLongError      the prompt does not fit Windows' own language model
    │   ├── NoChatTemplateError         a conversation, for a model that only goes on from texts
    │   ├── TemplateOverLimitError      the model's chat template takes too much time or memory, or writes too much
    │   └── ContentFilteredError        Windows' content filter blocked the prompt or the answer
    ├── AccessError                     the host does not serve this client
    │   ├── AuthenticationError         without the host's token, or with another one
    │   └── ForeignOriginError          a Host or Origin header of a web site
    ├── HostError                       the process that owns the model
    │   ├── HostStartError              it could not start
    │   │   └── HostRunsAlreadyError    because another one runs
    │   ├── HostUnreachableError        none runs, or the one that ran does not answer
    │   └── ChannelError                the shared-memory channel to it
    │       ├── ChannelClosedError      the other side ended it, or died
    │       └── ChannelCorruptError     the other side broke its protocol
    ├── ModelError                      something about model files
    │   ├── ModelNotFoundError          no model of that name or at that path
    │   ├── ModelFileError              a file is missing, truncated or corrupt
    │   ├── UnsupportedModelError       a sound file of a kind we cannot run
    │   └── ModelDownloadError          the default model could not be fetched
    ├── StorageError                    a folder that cannot be written, a disk that is full
    ├── SettingsError                   a settings file or variable that does not parse
    ├── SetupConflictError              another program's configuration holds something that is not ours
    ├── EngineError                     the engine could not finish a request
    │   ├── EngineBusyError             the queue is full; try again after `retry_after` seconds
    │   ├── DeadlineExceededError       the request's own deadline passed
    │   └── EngineClosedError           the engine was shut down while the request ran
    ├── NotAvailableError               this machine has no such driver, device or feature
    │   ├── DriverNotFoundError         the kernel driver is not installed or not running
    │   ├── DriverVersionError          the kernel driver speaks another version of its interface
    │   ├── DriverAccessDeniedError     the kernel driver, or Windows, does not let this user do that
    │   └── NoRuntimeError              no registered runtime fits the request, or it is gone
    ├── DriverError                     the kernel driver could not do what it was asked
    │   ├── DriverStateError            not in this role, not twice, or after it was closed
    │   └── ChannelRefusedError         the runtime took no connection; asking again may help
    ├── ActionFailedError               an action of an app was invoked and did not succeed
    └── CodexError                      the Codex CLI could not do its task
        └── CodexNotFoundError          it is not on this machine

Each class carries the one table that every door reads: `code` (OpenAI error code),
`http_status`, `json_rpc_code` and `exit_code` (0 done, 1 failed, 2 usage, 3 unhealthy,
4 not available here, 5 host unreachable, 130 interrupted).
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "EXIT_INTERRUPTED",
    "EXIT_UNHEALTHY",
    "AccessError",
    "ActionFailedError",
    "AuthenticationError",
    "ChannelClosedError",
    "ChannelCorruptError",
    "ChannelError",
    "ChannelRefusedError",
    "CodexError",
    "CodexNotFoundError",
    "ContentFilteredError",
    "ContextLengthExceededError",
    "DeadlineExceededError",
    "DriverAccessDeniedError",
    "DriverError",
    "DriverNotFoundError",
    "DriverStateError",
    "DriverVersionError",
    "EngineBusyError",
    "EngineClosedError",
    "EngineError",
    "ForeignOriginError",
    "HostError",
    "HostRunsAlreadyError",
    "HostStartError",
    "HostUnreachableError",
    "InvalidGrammarError",
    "InvalidRequestError",
    "ModelDownloadError",
    "ModelError",
    "ModelFileError",
    "ModelNotFoundError",
    "NoChatTemplateError",
    "NoRuntimeError",
    "NotAvailableError",
    "PromptTooLongError",
    "ProviderNotAvailableError",
    "RequestTimeoutError",
    "RequestTooLargeError",
    "SettingsError",
    "SetupConflictError",
    "StorageError",
    "TemplateOverLimitError",
    "UnsupportedModelError",
    "UnsupportedRequestError",
    "WindowsAiError",
]

EXIT_UNHEALTHY = 3
EXIT_INTERRUPTED = 130


class WindowsAiError(Exception):
    """Root of the tree: what went wrong, and in `hint` what to do about it."""

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500
    json_rpc_code: ClassVar[int] = -32603
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def message_and_hint(self) -> str:
        """Both in one text, for where there is one place for text."""
        end = "" if self.message.endswith((".", "!", "?", "…", ":")) else "."
        return f"{self.message}{end} {self.hint}" if self.hint else self.message


class InvalidRequestError(WindowsAiError):
    """The request cannot be served as it is: a wrong value, an empty prompt.

    `param` names the parameter at fault where one is, as a path: `messages[0].content`.
    """

    code = "invalid_request"
    http_status = 400
    json_rpc_code = -32602
    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None, param: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.param = param


class ContextLengthExceededError(InvalidRequestError):
    """The prompt leaves no room for an answer in the model's window.

    A prompt far too long is not counted to its end: without `counted` it has `prompt_tokens` at least.
    """

    code = "context_length_exceeded"
    exit_code = 1

    def __init__(self, *, prompt_tokens: int, context_length: int, counted: bool = True) -> None:
        super().__init__(
            f"The prompt has {'' if counted else 'at least '}{prompt_tokens} tokens, but the model's window holds "
            f"{context_length}, the answer's among them.",
            hint=f"Shorten the prompt by at least {prompt_tokens + 1 - context_length} tokens, "
            "or use a model with a larger window.",
        )
        self.prompt_tokens = prompt_tokens
        self.context_length = context_length
        self.counted = counted


class InvalidGrammarError(InvalidRequestError):
    """A JSON schema, regex or Lark grammar that cannot be compiled or that nothing satisfies."""

    code = "invalid_grammar"


class RequestTooLargeError(InvalidRequestError):
    """The request's body is larger than the host takes."""

    code = "request_too_large"
    http_status = 413


class RequestTimeoutError(InvalidRequestError):
    """The request's body did not come in time."""

    code = "request_timeout"
    http_status = 408


class ProviderNotAvailableError(InvalidRequestError):
    """The request names who must answer, and that one is not open here; the host itself is sound."""

    code = "provider_not_available"
    exit_code = 4

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, param="provider")


class AccessError(WindowsAiError):
    """The host does not serve this client; never raised itself."""

    code = "access_denied"
    http_status = 403
    json_rpc_code = -32600


class AuthenticationError(AccessError):
    """The request came without the host's token, or with another one."""

    code = "invalid_api_key"
    http_status = 401


class ForeignOriginError(AccessError):
    """The request's Host or Origin header is not this host's: a web page that tries to reach it."""

    code = "foreign_origin"


class HostError(WindowsAiError):
    """Something about the process that owns the model; never raised itself."""

    code = "host_error"
    http_status = 503


class HostStartError(HostError):
    """The host could not start: its port is taken, its folder is not writable, it died."""

    code = "host_start_failed"


class HostRunsAlreadyError(HostStartError):
    """The user's one host is another process."""

    code = "host_runs_already"


class HostUnreachableError(HostError):
    """No host runs, or the one that ran does not answer any more."""

    code = "host_unreachable"
    exit_code = 5


class ChannelError(HostError):
    """Something about the shared-memory channel; never raised itself."""

    code = "channel_error"


class ChannelClosedError(ChannelError):
    """The other side of the channel ended it, or died."""

    code = "channel_closed"
    exit_code = 5


class ChannelCorruptError(ChannelError):
    """The other side of the channel wrote what is not its protocol."""

    code = "channel_corrupt"


class UnsupportedRequestError(InvalidRequestError):
    """Who answers cannot do what the request asks for; another provider may."""

    code = "unsupported_request"


class PromptTooLongError(UnsupportedRequestError):
    """The prompt does not fit Windows' own language model, which counts characters instead of tokens."""

    code = "context_length_exceeded"
    exit_code = 1


class NoChatTemplateError(InvalidRequestError):
    """The model was not trained for chat: it goes on from texts, and takes no conversation."""

    code = "no_chat_template"


class TemplateOverLimitError(InvalidRequestError):
    """The model's chat template takes more time or memory than it may, or writes more."""

    code = "template_over_limit"


class ContentFilteredError(InvalidRequestError):
    """Windows' content filter blocked the prompt or the answer."""

    code = "content_filter"
    exit_code = 1


class ModelError(WindowsAiError):
    """Something about model files; never raised itself."""

    code = "model_error"


class ModelNotFoundError(ModelError):
    """No model of that name is installed, and nothing is at that path."""

    code = "model_not_found"
    http_status = 404
    json_rpc_code = -32602


class ModelFileError(ModelError):
    """A model file is missing, truncated or not what it claims to be."""

    code = "model_file_invalid"


class UnsupportedModelError(ModelError):
    """A sound model file of an architecture, tokenizer or tensor type we cannot run."""

    code = "model_unsupported"


class ModelDownloadError(ModelError):
    """The default model could not be fetched, or what arrived is not what was pinned."""

    code = "model_download_failed"
    http_status = 503


class StorageError(WindowsAiError):
    """A folder that cannot be written, or a disk without enough room."""

    code = "storage_error"
    http_status = 507


class SettingsError(WindowsAiError):
    """A settings file or environment variable that does not parse."""

    code = "settings_invalid"
    exit_code = 2


class SetupConflictError(WindowsAiError):
    """Another program's configuration holds something that is not ours and would be overwritten."""

    code = "setup_conflict"
    http_status = 409


class EngineError(WindowsAiError):
    """The engine could not finish a request it had accepted."""

    code = "engine_error"


class EngineBusyError(EngineError):
    """The queue is full; `retry_after` says in seconds when to try again."""

    code = "rate_limit_exceeded"
    http_status = 429

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message, hint=f"Try again in {retry_after:.0f} s.")
        self.retry_after = retry_after


class DeadlineExceededError(EngineError):
    """The request's own deadline passed before it was done."""

    code = "deadline_exceeded"
    http_status = 504


class EngineClosedError(EngineError):
    """The engine was shut down while the request waited or ran."""

    code = "engine_closed"
    http_status = 503


class NotAvailableError(WindowsAiError):
    """This machine has no such driver, device or feature."""

    code = "not_available"
    http_status = 501
    exit_code = 4


class ActionFailedError(WindowsAiError):
    """An action of an app was invoked and did not succeed."""

    code = "action_failed"
    http_status = 502


class DriverNotFoundError(NotAvailableError):
    """The kernel driver is not installed or not running."""

    code = "driver_not_found"


class DriverVersionError(NotAvailableError):
    """The kernel driver speaks another version of its interface."""

    code = "driver_version_mismatch"


class DriverAccessDeniedError(NotAvailableError):
    """The kernel driver, or Windows, does not let this user do that."""

    code = "driver_access_denied"
    http_status = 403


class NoRuntimeError(NotAvailableError):
    """No registered runtime fits the request, or the one that did is gone."""

    code = "no_runtime"
    http_status = 503


class DriverError(WindowsAiError):
    """The kernel driver could not do what it was asked."""

    code = "driver_error"


class DriverStateError(DriverError):
    """A session was used in another role, twice for what is done once, or after it was closed."""

    code = "driver_wrong_state"


class ChannelRefusedError(DriverError):
    """The runtime took no connection, or one side went away meanwhile; asking again may help."""

    code = "channel_refused"
    http_status = 503


class CodexError(WindowsAiError):
    """The Codex CLI could not do its task."""

    code = "codex_failed"


class CodexNotFoundError(CodexError):
    """The Codex CLI is not on this machine."""

    code = "codex_not_found"
    http_status = 501
    exit_code = 4
