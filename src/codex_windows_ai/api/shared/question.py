"""A request as a question, once its conversation and its tools are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codex_windows_ai.api.shared.body import each_once, unknown_fields
from codex_windows_ai.api.shared.conversation import Conversation
from codex_windows_ai.api.shared.conversation_body import ConversationBody
from codex_windows_ai.api.shared.endpoint import Question
from codex_windows_ai.chat.grammar import check_answer, closest_json_grammar
from codex_windows_ai.errors import InvalidGrammarError
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.tools import ToolSet


@dataclass(frozen=True, slots=True)
class AnswerSchema:
    """What an answer's text must match; one that is `strict` in every keyword, any other as far as that goes.

    `place` is the parameter it came in.
    """

    definition: Mapping[str, Any]
    strict: bool = False
    place: str | None = None

    def grammar(self) -> tuple[Grammar, str]:
        """The closest grammar that can be followed, and why it is not the same.

        Raises InvalidGrammarError: it is strict, and cannot be followed as it is.
        """
        try:
            return closest_json_grammar(dict(self.definition), strict=self.strict)
        except InvalidGrammarError as error:
            hint = "Send it without `strict`, and it is kept to as far as that goes."
            raise InvalidGrammarError(error.message, hint=error.hint or hint, param=self.place) from error


ANY_OBJECT = AnswerSchema({"type": "object"})
"""Any JSON object."""


def make_question(
    body: ConversationBody,
    conversation: Conversation,
    tools: ToolSet,
    *,
    left_out: Sequence[str] = (),
    schema: AnswerSchema | None,
    top_logprobs: int | None = None,
    agent: str,
) -> Question:
    """The question, with what of it is not done as asked; `left_out` is what a reader left out besides.

    Raises InvalidRequestError: a choice between tools that is impossible, a conversation that cannot be answered.
    InvalidGrammarError: a schema that cannot be followed.
    """
    places = [*unknown_fields(body), *body.foreign, *conversation.left_out, *left_out]
    loosened = check_answer(tools)
    grammar = None
    if schema is not None:
        grammar, reason = schema.grammar()
        loosened += [{"format": "json_schema", "reason": reason}] if reason else []
    request = GenerationRequest(
        messages=conversation.messages(),
        tools=tools,
        sampling=body.sampling,
        max_output_tokens=body.output_limit,
        stop=body.stop_strings,
        grammar=grammar,
        agent=agent,
        provider=body.asked_provider,
        top_logprobs=top_logprobs,
        model=body.model,
        template_options=body.template_options,
        reasoning_budget=body.reasoning_budget,
    )
    return Question(request, {"left_out": each_once(places), "loosened": loosened})
