"""App Actions: what installed apps offer to do with a text, a file or another entity.

API: Windows.AI.Actions. Calls go to a service of Windows; each is made in a thread that may wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codex_windows_ai.errors import ActionFailedError, InvalidRequestError, NotAvailableError
from codex_windows_ai.hardware.hresult import describe, not_available
from codex_windows_ai.windows_ai.action_entities import Entity, TextEntity, text_of
from codex_windows_ai.windows_ai.action_runtime import create_action_runtime
from codex_windows_ai.windows_ai.actions import Action, ActionInput
from codex_windows_ai.windows_ai.winrt_entities import kind_name, read_entity, write_entity

if TYPE_CHECKING:
    from winrt.windows.ai.actions import ActionInvocationContext, ActionRuntime
    from winrt.windows.ai.actions.hosting import ActionDefinition, ActionOverload

__all__ = ["ActionResult", "AppActions"]

_SUCCESS = 0
_RESULTS = {1: "was cancelled by the user", 2: "is not supported for this input", 3: "is not available now"}


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What an action gave, by the names of its outputs. `feedback(True)` tells the app that it was good."""

    outputs: dict[str, Entity]
    _invocation: _Invocation | None = field(default=None, repr=False, compare=False)

    @property
    def text(self) -> str:
        """All outputs as text."""
        return "\n".join(map(text_of, self.outputs.values()))

    async def feedback(self, good: bool) -> None:
        """Tells the app whether the result was good.

        Raises NotAvailableError: the action takes no feedback.
        """
        if self._invocation is None:
            raise NotAvailableError("There is nobody to give feedback to.")
        await self._invocation.feedback(good)


class AppActions:
    """The actions of this machine's apps.

    Raises NotAvailableError: this is not Windows, or its build has no App Actions.
    """

    def __init__(self) -> None:
        self._runtime: ActionRuntime = create_action_runtime()

    def list(self) -> list[Action]:
        """Every registered action that this program may see; Windows hides those that allow only other apps.

        Raises NotAvailableError: Windows does not answer.
        """
        return [_describe(definition) for definition in self._definitions()]

    def list_for_text(self, text: str) -> list[Action]:
        """The actions that take this text, as Windows finds them; where it cannot, all that take one text.

        Raises NotAvailableError: Windows does not answer.
        """
        from winrt.system import Array
        from winrt.windows.ai.actions import ActionEntity

        entity = write_entity(self._runtime.entity_factory, TextEntity(text))
        try:
            with self._runtime.action_catalog as catalog:
                found = catalog.get_actions_for_inputs(Array(ActionEntity, [entity]))
        except (OSError, AttributeError):  # builds before contract 4, and some later ones
            return [action for action in self.list() if action.takes_one_text]
        return list({action.id: action for action in (_describe(instance.definition) for instance in found)}.values())

    async def invoke(
        self,
        action: str,
        inputs: Mapping[str, Entity] | str,
        *,
        overload: int | None = None,
        on_text: Callable[[str, bool], object] | None = None,
    ) -> ActionResult:
        """Invokes an action by its id. A text as `inputs` goes to the one text input of the action.

        `overload` counts from 0; without it the first that takes these inputs is used. `on_text` is called,
        from a thread of Windows, with a streaming text whenever it changes: all of it, which may differ from
        what was there before, and whether it is complete.

        Raises InvalidRequestError: there is no such action, or it does not take these inputs.
        ActionFailedError: it did not succeed. NotAvailableError: Windows does not answer.
        """
        invocation = await asyncio.to_thread(self._prepare, action, inputs, overload)
        return await invocation.run(on_text)

    def close(self) -> None:
        """Lets go of the runtime."""
        self._runtime.close()

    def _definitions(self) -> list[ActionDefinition]:
        try:
            with self._runtime.action_catalog as catalog:
                return list(catalog.get_all_actions())
        except (OSError, AttributeError) as error:
            raise not_available("Windows does not list its App Actions", error) from error

    def _prepare(self, action: str, inputs: Mapping[str, Entity] | str, overload: int | None) -> _Invocation:
        definitions = {definition.id: definition for definition in self._definitions()}
        if action not in definitions:
            known = ", ".join(sorted(definitions)) or "none"
            raise InvalidRequestError(f"No app offers an action {action!r} here; registered are: {known}.")
        overloads = list(definitions[action].get_overloads())
        chosen, values = _choose(action, overloads, inputs, overload)
        try:
            context = self._runtime.create_invocation_context(action)
            factory = self._runtime.entity_factory
            for name, value in values.items():
                context.set_input_entity(name, write_entity(factory, value))
        except (OSError, AttributeError) as error:
            raise not_available(f"The action {action!r} cannot be prepared", error) from error
        return _Invocation(self._runtime, action, chosen, context)


def _choose(
    action: str, overloads: list[ActionOverload], inputs: Mapping[str, Entity] | str, wanted: int | None
) -> tuple[ActionOverload, dict[str, Entity]]:
    """The overload that takes these inputs, and the inputs by its names."""
    taken = [{entry.name: kind_name(entry.kind) for entry in overload.get_inputs()} for overload in overloads]
    for number, names in enumerate(taken):
        if wanted is not None and number != wanted:
            continue
        if isinstance(inputs, str):
            if list(names.values()) == ["text"]:
                return overloads[number], {next(iter(names)): TextEntity(inputs)}
        elif names.keys() == inputs.keys():
            return overloads[number], dict(inputs)
    given = "one text" if isinstance(inputs, str) else ", ".join(inputs) or "nothing"
    offers = "; ".join(", ".join(f"{name} ({kind})" for name, kind in names.items()) or "nothing" for names in taken)
    which = "" if wanted is None else f" in overload {wanted} of {len(overloads)}"
    raise InvalidRequestError(f"The action {action!r} does not take {given}{which}; it takes: {offers or 'nothing'}.")


class _Invocation:
    """One invocation: from its context to its result."""

    def __init__(
        self, runtime: ActionRuntime, action: str, overload: ActionOverload, context: ActionInvocationContext
    ) -> None:
        self._runtime = runtime
        self._action = action
        self._overload = overload
        self._context = context

    async def run(self, on_text: Callable[[str, bool], object] | None) -> ActionResult:
        try:
            await self._overload.invoke_async(self._context)
            result = int(self._context.result)
            if result != _SUCCESS:
                raise self._failure(_RESULTS.get(result, f"ended with the unknown result {result}"))
            outputs: dict[str, Entity] = {}
            for named in self._context.get_output_entities():
                if kind_name(named.entity.kind) == "streaming-text":
                    await _wait_for_text(named.entity, on_text)
                outputs[named.name] = read_entity(named.entity)
        except (OSError, AttributeError) as error:
            raise ActionFailedError(f"The action {self._action!r} failed: {describe(error)}.") from error
        return ActionResult(outputs, self)

    async def feedback(self, good: bool) -> None:
        from winrt.windows.ai.actions import ActionFeedbackKind

        try:
            if not self._overload.get_supports_feedback():
                raise NotAvailableError(f"The action {self._action!r} takes no feedback.")
            kind = ActionFeedbackKind.POSITIVE if good else ActionFeedbackKind.NEGATIVE
            feedback = self._runtime.create_action_feedback(kind)
            await self._overload.invoke_feedback_async(self._context, feedback)
        except (OSError, AttributeError) as error:
            raise not_available(f"The action {self._action!r} takes no feedback", error) from error

    def _failure(self, what: str) -> ActionFailedError:
        code = int(self._context.extended_error)
        reason = f": {describe(code)}" if code else ""
        try:
            help_details = self._context.help_details
            parts = (help_details.title, help_details.description) if help_details else ()
            said = ". ".join(part for part in parts if part)
        except (OSError, AttributeError):  # builds before contract 2 have no help
            said = ""
        return ActionFailedError(f"The action {self._action!r} {what}{reason}.", hint=said or None)


async def _wait_for_text(entity: Any, on_text: Callable[[str, bool], object] | None) -> None:
    """Waits until a streaming text is complete."""
    from winrt.windows.ai.actions import StreamingTextActionEntity

    text, loop, complete = entity.as_(StreamingTextActionEntity), asyncio.get_running_loop(), asyncio.Event()

    def changed(_: Any, arguments: Any) -> None:
        if on_text:
            on_text(arguments.text, arguments.is_complete)
        if arguments.is_complete:
            loop.call_soon_threadsafe(complete.set)

    handler: Any = changed  # the projection's type for it is a recursive alias, beyond the type checker
    token = text.add_text_changed(handler)
    try:
        if text.is_complete:  # asked after listening began: a change in between is heard
            await asyncio.sleep(0)  # and what the listener has put into the loop comes before the result
        else:
            await complete.wait()
    finally:
        text.remove_text_changed(token)


def _describe(definition: ActionDefinition) -> Action:
    inputs = [
        tuple(ActionInput(entry.name, kind_name(entry.kind)) for entry in overload.get_inputs())
        for overload in definition.get_overloads()
    ]
    try:
        available = definition.is_currently_available
    except (OSError, AttributeError):  # builds before contract 5 do not say
        available = True
    return Action(
        id=definition.id,
        name=definition.id.rpartition(".")[2],
        description=definition.description,
        kind="app",
        app=definition.package_family_name,
        overloads=tuple(inputs),
        available=available,
    )
