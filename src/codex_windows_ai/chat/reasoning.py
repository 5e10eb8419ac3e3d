"""How a model's template deals with what the model thinks before it answers, found out by rendering.

A thinking model writes its thoughts between two marks. Its template may open them in the prompt, may have a variable
that switches them off and one for how much is thought (`reasoning_effort`), and takes what was thought before in a
field of its own, as blocks, within the words, or not at all. Many write only what was thought since the user spoke
last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from codex_windows_ai.chat.turns import Turn
from codex_windows_ai.engine.preamble import Preamble
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.protocol.message import Message, Reasoning

Write = Callable[[Sequence[Turn], Mapping[str, Any]], str | None]
"""What a template writes of turns and options; None where it refuses them."""

Carrier = Literal["reasoning_content", "reasoning", "thinking", "blocks", "content"]
"""Where a turn has what was thought: in a field of that name, in blocks of its content, within its words."""

THINKS, EFFORT = "enable_thinking", "reasoning_effort"
"""What requests call the switch and the effort, whatever the template calls them."""

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""From least to most."""

_MARKS = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<|channel>thought", "<channel|>"),
    ("<seed:think>", "</seed:think>"),
    ("<thinking>", "</thinking>"),
)
_SWITCHES = (THINKS, "thinking")
_FIELDS: tuple[Carrier, ...] = ("reasoning_content", "reasoning", "thinking", "blocks", "content")
_COMMON_EFFORTS = ("low", "medium", "high")
_USER, _THOUGHT, _WORDS, _RESULT = "user-word", "thought-word", "answer-word", "result-word"
_OFF, _USUAL = ("none", "minimal"), "medium"


@dataclass(frozen=True, slots=True)
class Thinking:
    """What is asked of a model's thinking: options of the template, and the most tokens that it may take.

    `left_out` says in words what is not done as asked.
    """

    options: dict[str, Any]
    most_tokens: int | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReasoningForm:
    """How one template deals with thinking. Without marks the model is not known to think."""

    begin: str = ""
    end: str = ""
    opening: str = ""
    """What it writes before a thought, from the mark on."""
    closing: str = ""
    """What it writes between a thought and the answer's words, the mark among it."""
    always: bool = False
    """Its prompts end inside a thought, or would if nothing switched it off."""
    switch: str | None = None
    """The variable that switches thinking on and off."""
    efforts: tuple[str, ...] = ()
    """The words for `reasoning_effort` that it tells apart."""
    carrier: Carrier | None = None
    keeps_earlier: bool = False
    """It writes also what was thought before the user spoke last."""

    @property
    def thinks(self) -> bool:
        """The model may think before it answers."""
        return bool(self.begin)

    @property
    def levels(self) -> tuple[str, ...]:
        """The efforts that can be asked for, from least to most; none where nothing can be chosen."""
        if not self.thinks:
            return self.efforts
        words = ("none", *(self.efforts or (_USUAL,)))
        return tuple(word for word in EFFORTS if word in words)

    @property
    def described(self) -> str:
        """Whether the model thinks, in words."""
        if not self.thinks:
            return "no"
        kept = (
            "not kept" if self.carrier is None else "all kept" if self.keeps_earlier else "kept until the user speaks"
        )
        how = "can be switched off" if self.switch else "always" if self.always else "where it begins to"
        return f"{how}; what was thought is {kept}"

    def turn(self, turn: Turn, message: Message) -> dict[str, Any]:
        """A turn with what its message says was thought, where the template takes that."""
        thought = "\n".join(part.text for part in message.parts if isinstance(part, Reasoning))
        if not thought or self.carrier is None:
            return dict(turn)
        return _carried(self, self.carrier, turn, thought)

    def dropped(self, messages: Sequence[Message]) -> tuple[str, ...]:
        """What of the thoughts in a conversation the template does not write, in words."""
        asked = max((n for n, message in enumerate(messages) if message.role == "user"), default=-1)
        thoughtful = [n for n, each in enumerate(messages) if any(isinstance(part, Reasoning) for part in each.parts)]
        if thoughtful and self.carrier is None:
            return ("reasoning: the model's chat template takes nothing that was thought before",)
        if any(n < asked for n in thoughtful) and not self.keeps_earlier:
            return ("reasoning: the model's chat template drops what was thought before the user's last message",)
        return ()

    def asked(self, options: Mapping[str, Any], budget: int | None) -> Thinking:
        """What a request's options come to with this template; those that are not about thinking stay as they are."""
        told = {name: value for name, value in options.items() if name not in (THINKS, EFFORT)}
        wanted, effort = options.get(THINKS), options.get(EFFORT)
        off = wanted is False or budget == 0 or (effort in _OFF and wanted is not True)
        if off and effort == "minimal" and effort in self.efforts and wanted is None:
            off = False  # it has a word for it
        if off:
            return self._without(told, effort)
        if effort is None and not wanted:
            return Thinking(told, budget)
        missed: list[str] = []
        if self.switch is not None:
            told[self.switch] = True
        elif wanted and not self.always:
            missed.append(THINKS)
        if effort is not None:
            missed += self._tell_effort(told, str(effort))
        return Thinking(told, budget, tuple(missed))

    def _without(self, told: dict[str, Any], effort: Any) -> Thinking:
        """No thinking: by the template where it can, and whatever is begun all the same is closed at once."""
        if self.switch is not None:
            told[self.switch] = False
        if effort is not None and str(effort) in self.efforts:
            told[EFFORT] = effort
        elif not self.thinks and self.efforts:
            told[EFFORT] = self.efforts[0]
            return Thinking(told, None, (f"{EFFORT}: the model cannot but think; told is `{self.efforts[0]}`",))
        return Thinking(told, 0)

    def _tell_effort(self, told: dict[str, Any], effort: str) -> list[str]:
        if not self.efforts or effort not in EFFORTS:
            return [] if self.thinks and effort == _USUAL else [EFFORT]
        nearest = _nearest(effort, self.efforts)
        told[EFFORT] = nearest
        return [] if nearest == effort else [f"{EFFORT}: the model's chat template knows no `{effort}`; `{nearest}`"]

    def prepared(
        self, tokens: Sequence[int], tokenizer: Tokenizer, most_tokens: int | None
    ) -> tuple[list[int], Preamble | None]:
        """A prompt, its thinking closed where none is wanted, and the form of what may come before its answer."""
        prompt = list(tokens)
        if not self.thinks:
            return prompt, None
        begun = _text_of(prompt, tokenizer, len(self.opening) + 2).rstrip("\n").endswith(self.begin)
        behind_mark = self.closing.partition(self.end)[2]
        if begun and most_tokens == 0:
            while not tokenizer.bytes_of(prompt[-1]).strip(b"\n"):
                prompt.pop()
            prompt += tokenizer.encode_prompt(f"\n\n{self.end}{behind_mark}")
            begun = False
        preamble = Preamble(
            begin=self.begin,
            end=self.end,
            begin_tokens=tuple(tokenizer.encode_prompt(self.begin)),
            end_tokens=tuple(tokenizer.encode_prompt(self.closing)),
            joint_tokens=tuple(tokenizer.encode_prompt(behind_mark)),
            begun=begun,
            most_tokens=most_tokens,
        )
        return prompt, preamble


def learn_reasoning(
    write: Write, variables: frozenset[str], texts: Iterable[str], control: Iterable[str] = ()
) -> ReasoningForm:
    """The form of a template that has these `variables` and `texts`, found by rendering short conversations.

    `control` are tokens that no words can name.
    """
    whole = "\0".join(texts)
    begin, end = next(((begin, end) for begin, end in _MARKS if end in whole), ("", ""))
    efforts = _learn_efforts(write) if EFFORT in variables else ()
    switch = next((name for name in _SWITCHES if name in variables and _switches(write, name)), None)
    if not begin:
        return ReasoningForm(switch=switch, efforts=efforts)
    form = ReasoningForm(begin, end, f"{begin}\n", f"\n{end}\n\n", switch=switch, efforts=efforts)
    opened = [write([_user()], {switch: True} if switch else {}), write([_user()], {})]
    always = any(text is not None and text.rstrip("\n").endswith(begin) for text in opened)
    form = replace(form, always=always)
    fields: list[Carrier] = [field for field in _FIELDS if field != "content" or begin not in set(control)]
    carried = (found for field in fields if (found := _carrying(write, form, field)))
    return next(carried, form)


def _carrying(write: Write, form: ReasoningForm, carrier: Carrier) -> ReasoningForm | None:
    """The form with what the template writes around a thought that it is given so; None where it writes none."""
    before, _, behind = _within(write, form, carrier).partition(_THOUGHT)
    mark, between = before.rfind(form.begin), behind.partition(_WORDS)[0]
    if mark < 0 or form.end not in between:
        return None
    form = replace(form, carrier=carrier, opening=before[mark:], closing=between)
    again = write([_user(), _answer(form), _user()], {})
    return replace(form, keeps_earlier=again is not None and _THOUGHT in again)


def _within(write: Write, form: ReasoningForm, carrier: Carrier) -> str:
    """What is written of a thought in the midst of a turn, before what a call returned."""
    result = {"role": "tool", "content": _RESULT}
    turns = [_user(), _answer(replace(form, carrier=carrier))]
    return write([*turns, result], {}) or write(turns, {}) or ""


def _answer(form: ReasoningForm) -> dict[str, Any]:
    turn = {"role": "assistant", "content": _WORDS}
    return turn if form.carrier is None else _carried(form, form.carrier, turn, _THOUGHT)


def _carried(form: ReasoningForm, carrier: Carrier, turn: Turn, thought: str) -> dict[str, Any]:
    """A turn with a thought where the template looks for it."""
    match carrier:
        case "content":
            return {**turn, "content": f"{form.opening}{thought}{form.closing}{turn['content']}"}
        case "blocks":
            thinking = {"type": "thinking", "thinking": thought}
            return {**turn, "content": [thinking, {"type": "text", "text": turn["content"]}]}
        case _:
            return {**turn, carrier: thought}


def _user() -> dict[str, Any]:
    return {"role": "user", "content": _USER}


def _switches(write: Write, name: str) -> bool:
    on, off = (write([_user()], {name: value}) for value in (True, False))
    return on is not None and off is not None and on != off


def _learn_efforts(write: Write) -> tuple[str, ...]:
    """The words that the template takes and tells apart; those that all models know where it writes any word."""
    nonsense = "no-such-word"
    other = write([_user()], {EFFORT: nonsense})
    if other is not None and nonsense in other:
        return _COMMON_EFFORTS
    written = {word: write([_user()], {EFFORT: word}) for word in EFFORTS}
    known = tuple(word for word, text in written.items() if text is not None and text != other)
    # The word for what it does anyway is not told apart from nonsense.
    usual = (_USUAL,) if known and written[_USUAL] is not None else ()
    return tuple(word for word in EFFORTS if word in (*known, *usual))


def _nearest(effort: str, known: Sequence[str]) -> str:
    """The known word whose place in the order is nearest; of two the one for more."""
    place = EFFORTS.index(effort)
    return min(known, key=lambda word: (abs(EFFORTS.index(word) - place), -EFFORTS.index(word)))


def _text_of(prompt: Sequence[int], tokenizer: Tokenizer, characters: int) -> str:
    """The end of a prompt, of so many characters at least."""
    return b"".join(tokenizer.bytes_of(token) for token in prompt[-characters:]).decode(errors="replace")
