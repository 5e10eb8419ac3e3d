"""The check of quality: greedy answers to fixed questions, beside those of float32 and of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.figures import Spread
from codex_windows_ai.bench.quality import (
    FloatReference,
    agreement,
    common_share,
    float_reference,
    logprob_difference,
)
from codex_windows_ai.bench.sides.chat_server import ChatQuestion, ChatReply, ChatServer
from codex_windows_ai.bench.sides.peers import OURS
from codex_windows_ai.chat.formats import chat_format
from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.protocol.request import Message, ToolSet

QUALITY = "quality"
QUESTIONS = (
    "Why does it rain more often on the western side of a mountain range?",
    "Write a Python function that returns the longest common prefix of two lists.",
    "Explain in three sentences what a cache is, and when it does harm.",
    "A train leaves at 9:40 and arrives at 11:15. How long does it take? Say how you get there.",
)
"""Prose, code, explanation, arithmetic; which hardly matters, only that each has one likeliest answer."""

Figures = dict[str, dict[str, Spread]]
"""By side and name."""


@dataclass(frozen=True, slots=True)
class Greedy:
    """A side's answers to `QUESTIONS`; `refused` is why it gave no log probabilities, where it said so."""

    replies: tuple[ChatReply, ...]
    refused: str | None = None


async def ask_greedily(side: ChatServer, tokens: int) -> Greedy:
    """The answers, with log probabilities where the side has them. Raises EngineError: it does not answer."""

    async def ask(question: str, *, logprobs: bool) -> ChatReply:
        return await side.ask(0, ChatQuestion(_messages(question), tokens, logprobs=logprobs))

    try:
        return Greedy(tuple([await ask(question, logprobs=True) for question in QUESTIONS]))
    except NotAvailableError as error:
        return Greedy(tuple([await ask(question, logprobs=False) for question in QUESTIONS]), error.message)


def judge(bench: Bench, greedy: Mapping[str, Greedy]) -> tuple[Figures, list[str]]:
    """The figures of each side, and in words what could be compared with what."""
    form = chat_format(bench.folder.path, bench.tokenizer)
    prompts = [form.render([Message("user", question)], ToolSet()) for question in QUESTIONS]
    figures: Figures = {name: {} for name in greedy}
    notes: list[str] = []
    ours = [reply.tokens for reply in greedy[OURS].replies]
    for name, of_side in greedy.items():
        share = common_share([reply.tokens for reply in of_side.replies], ours)
        if name != OURS and share is not None:
            figures[name]["same_as_ours_share"] = Spread((share,))
        notes += _template_notes(name, of_side, prompts)
    if bench.reference is None:
        notes.append(
            "Quality: greedy answers were compared with each other only; `--peer-model FILE.gguf` compares them with "
            "float32, too."
        )
        return figures, notes
    with float_reference(bench.reference, bench.folder.vocabulary_size) as reference:
        for name, of_side in greedy.items():
            bench.progress(f"{QUALITY}: {name} beside float32", 0, 0)
            found, note = _beside_float32(bench, reference, prompts, of_side)
            figures[name] |= found
            notes.append(f"Quality, {name}: {note}")
    return figures, notes


def _messages(question: str) -> tuple[dict[str, str], ...]:
    return ({"role": "user", "content": question},)


def _template_notes(name: str, greedy: Greedy, prompts: Sequence[Sequence[int]]) -> list[str]:
    """Of a side that was given other tokens than the model's template makes of the same words."""
    for reply, prompt in zip(greedy.replies, prompts, strict=True):
        if reply.counted_input not in (None, len(prompt)):
            return [
                f"{name} made {reply.counted_input} tokens of a question that is {len(prompt)} by the model's own "
                "template: its answers are to another prompt."
            ]
    return []


def _beside_float32(
    bench: Bench, reference: FloatReference, prompts: Sequence[Sequence[int]], greedy: Greedy
) -> tuple[dict[str, Spread], str]:
    """A side's figures, and what of it was compared."""
    ids = {spelled: number for number, spelled in enumerate(bench.tokenizer.token_bytes)}
    told = [_chosen(reply, ids) for reply in greedy.replies]
    answers = [of_reply[0] if of_reply else reply.tokens for of_reply, reply in zip(told, greedy.replies, strict=True)]
    judgements = [reference.judge(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True) if answer]
    figures: dict[str, Spread] = {}
    if (share := agreement(judgements)) is not None:
        figures["float32_agrees_share"] = Spread((share,))
    whole = [of_reply for of_reply in told if of_reply]
    if len(whole) == len(told):
        difference = logprob_difference([logprobs for _, logprobs in whole], judgements)
        if difference is not None:
            figures["logprob_difference"] = Spread((difference,))
            return figures, "each token it chose, and its log probability, beside float32's."
    why = f" ({greedy.refused})" if greedy.refused else ""
    return figures, f"the tokens of its text beside float32's; it told no log probabilities{why}."


def _chosen(reply: ChatReply, ids: Mapping[bytes, int]) -> tuple[list[int], list[float]] | None:
    """The tokens that a side says it chose, and their log probabilities; None where it does not say, or not whole."""
    tokens = [ids.get(spelled) for spelled, _ in reply.logprobs]
    known = [token for token in tokens if token is not None]
    if not known or len(known) < len(tokens):
        return None
    return known, [logprob for _, logprob in reply.logprobs]
