"""What a model thinks: asked for and read as its template has it, apart from the answer, and counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codex_windows_ai.chat.format import ChatFormat, PreparedPrompt
from codex_windows_ai.chat.formats import chat_format
from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.protocol.answer import AnswerPart, CallEnded, Delta, ReasoningPiece, Usage, joined
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.message import Call, Message, Reasoning, Result, Text
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.tools import Tool, ToolSet
from tests.chat.families import FAMILIES
from tests.engine.clients import Client, run
from tests.thinking_model import FORGETFUL, HYBRID, OPENING, make_thinking_model, saying

Load = Callable[[str], "Model"]
HELLO = Message("user", "Hello")
READ = Tool("function", "read", parameters={"type": "object", "properties": {"path": {"type": "string"}}})
CALL = '<tool_call>\n{"name": "read", "arguments": {"path": "a"}}\n</tool_call>'
THOUGHT = "<think>\nThe file says it.\n</think>\n\n"


class Model:
    """A tiny model with a thinking template, a core of its own, and how it is spoken to."""

    def __init__(self, folder: Path, template: str, **tokens: Any) -> None:
        made = make_thinking_model(folder, template, **tokens)
        self.core = EngineCore(made, EngineConfiguration(threads=1))
        self.format: ChatFormat = chat_format(made.path, self.core.tokenizer)

    def prepare(self, *messages: Message, **parameters: Any) -> PreparedPrompt:
        return self.format.prepare(GenerationRequest(messages or (HELLO,), **parameters))

    def prompt(self, *messages: Message, **parameters: Any) -> str:
        return self.text(self.prepare(*messages, **parameters).tokens)

    def text(self, tokens: tuple[int, ...]) -> str:
        return b"".join(self.core.tokenizer.bytes_of(token) for token in tokens).decode()

    def answer(
        self,
        says: str,
        *messages: Message,
        limit: int = 400,
        stop: tuple[str, ...] = (),
        logprobs: int | None = None,
        **more: Any,
    ) -> Answer:
        prompt = self.prepare(*messages, **more)
        request = EngineRequest(
            prompt.tokens, max_output_tokens=limit, stop=stop, grammar=prompt.grammar, top_logprobs=logprobs
        )
        with saying(self.core, says):
            client = Client(self.core, replace(request, preamble=prompt.preamble))
        run(self.core)
        assert client.error is None, client.error
        return Answer([prompt.read(delta) for delta in client.deltas])


class Answer:
    def __init__(self, deltas: list[Delta]) -> None:
        self.deltas = deltas
        self.last = deltas[-1]
        self.parts: tuple[AnswerPart, ...] = joined(deltas).pieces
        self.text = "".join(delta.text for delta in deltas)
        self.thought = "".join(part.text for part in self.parts if isinstance(part, ReasoningPiece))
        self.calls = [part.body for part in self.parts if isinstance(part, CallEnded)]
        assert self.last.usage is not None
        self.usage: Usage = self.last.usage


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    made: dict[str, Model] = {}

    def load_(template: str) -> Model:
        if template not in made:
            made[template] = Model(tmp_path_factory.mktemp("thinking"), template)
        return made[template]

    yield load_
    made.clear()


@pytest.fixture
def hybrid(load: Load) -> Model:
    return load(HYBRID)


@pytest.fixture
def opening(load: Load) -> Model:
    return load(OPENING)


def test_a_template_says_how_it_deals_with_thinking(load: Load) -> None:
    hybrid, opening, forgetful = (load(each).format.reasoning for each in (HYBRID, OPENING, FORGETFUL))

    assert (hybrid.switch, hybrid.always, hybrid.carrier) == ("enable_thinking", False, "reasoning_content")
    assert (opening.switch, opening.always, opening.keeps_earlier) == (None, True, False)
    assert (hybrid.opening, hybrid.closing) == ("<think>\n", "\n</think>\n\n")
    assert (forgetful.begin, forgetful.always, forgetful.carrier) == ("<think>", True, None)


def test_efforts_are_those_that_a_template_tells_apart(load: Load) -> None:
    strict = HYBRID + (
        "{% if reasoning_effort is defined %}{% if reasoning_effort not in ('low', 'medium', 'xhigh') %}"
        "{{ raise_exception('no such effort') }}{% endif %}{{ reasoning_effort }}{% endif %}"
    )
    model = load(strict)
    asked = {
        effort: model.prepare(template_options={"reasoning_effort": effort})
        for effort in ("low", "high", "minimal", "turbo")
    }

    assert model.format.reasoning.levels == ("none", "low", "medium", "xhigh")
    assert asked["low"].left_out == ()
    assert "`xhigh`" in asked["high"].left_out[0]
    assert model.text(asked["high"].tokens).endswith("xhigh")
    assert model.text(asked["minimal"].tokens).endswith("<think>\n\n</think>\n\n")
    assert asked["turbo"].left_out == ("reasoning_effort",)


@pytest.mark.parametrize(
    "off",
    [
        {"template_options": {"enable_thinking": False}},
        {"template_options": {"reasoning_effort": "none"}},
        {"template_options": {"reasoning_effort": "minimal"}},
        {"reasoning_budget": 0},
    ],
)
@pytest.mark.parametrize("template", [HYBRID, OPENING])
def test_thinking_is_off_where_that_is_asked(load: Load, template: str, off: dict[str, Any]) -> None:
    model = load(template)
    prompt = model.prepare(HELLO, **off)

    assert model.text(prompt.tokens).endswith("assistant\n<think>\n\n</think>\n\n")
    assert prompt.left_out == ()
    answer = model.answer("Hi.", HELLO, **off)
    assert (answer.text, answer.thought, answer.usage.reasoning_tokens) == ("Hi.", "", 0)


def test_thinking_that_begins_all_the_same_is_closed_at_once(hybrid: Model) -> None:
    answer = hybrid.answer("<think>Hi.", HELLO, template_options={"enable_thinking": False})

    assert (answer.text, answer.thought) == ("Hi.", "")


@pytest.mark.parametrize(("template", "begins"), [(HYBRID, "<think>\n"), (OPENING, ""), (FORGETFUL, "")])
def test_a_thought_is_a_part_of_its_own(load: Load, template: str, begins: str) -> None:
    answer = load(template).answer(f"{begins}First this,\nthe the that.\n</think>\n\nDone.\n")

    assert answer.thought == "First this,\nthe the that."
    assert answer.text == "Done.\n"
    kinds = [part.type for delta in answer.deltas for part in delta.pieces]
    assert kinds == sorted(kinds)  # in pieces, as it comes
    assert kinds.count("reasoning") > 5
    answered = answer.text.replace("the", "t")
    assert answer.usage.reasoning_tokens == answer.usage.output_tokens - len(answered) - 1


def test_a_model_need_not_think(hybrid: Model) -> None:
    answer = hybrid.answer("<b>bold</b>")

    assert (answer.text, answer.thought, answer.usage.reasoning_tokens) == ("<b>bold</b>", "", 0)


def test_a_stop_string_ends_the_answer_and_never_a_thought(hybrid: Model) -> None:
    answer = hybrid.answer("<think>\nUntil END.\n</think>\n\nSo END it is", stop=("END",))

    assert (answer.thought, answer.text) == ("Until END.", "So ")
    assert answer.last.finish_reason == "stop"


@pytest.mark.parametrize("template", [HYBRID, OPENING])
def test_a_grammar_holds_behind_the_thought(load: Load, template: str) -> None:
    begins = "<think>\n" if template == HYBRID else ""
    schema = Grammar("json_schema", json.dumps({"type": "object", "properties": {"a": {"type": "integer"}}}))

    # The newlines behind the mark are forced.
    answer = load(template).answer(f'{begins}{{"a": or so\n</think>\n\n{{"a": 1}}', grammar=schema)

    assert (answer.thought, answer.text) == ('{"a": or so', '{"a": 1}')


def test_marks_of_several_tokens_are_marks_and_an_answer_by_a_grammar_begins_with_a_token_of_its_own(
    tmp_path: Path,
) -> None:
    model = Model(tmp_path, HYBRID, tokens=(">\n{",))
    grammar = Grammar("regex", r"\{a\}")
    assert len(model.core.tokenizer.encode_prompt("<think>")) > 1

    # The token that ends the mark goes on; the part behind the mark is not said, and the grammar begins there.
    answer = model.answer("<think>Hm</think>\n{{a}", grammar=grammar)
    free = model.answer("<think>Hm</think>\n{a}")

    assert (answer.thought, answer.text) == ("Hm", "{a}")
    assert (free.thought, free.text) == ("Hm", "{a}")


@pytest.mark.parametrize("says", [THOUGHT + CALL, CALL])
def test_a_call_that_must_come_comes_behind_the_thought_or_at_once(hybrid: Model, says: str) -> None:
    answer = hybrid.answer(says, tools=ToolSet((READ,), "required"))

    assert answer.calls == ['{"path": "a"}']
    assert answer.thought == ("The file says it." if says.startswith(THOUGHT) else "")


def test_a_thought_is_closed_where_its_budget_ends_and_the_answer_follows(hybrid: Model) -> None:
    answer = hybrid.answer("<think>\nOn and on and on", reasoning_budget=6)
    limited = hybrid.answer("<think>\n" + 30 * "On and " + "on.", limit=40)
    called = hybrid.answer(f"<think>\nOn a{CALL}", reasoning_budget=6, tools=ToolSet((READ,), "required"))

    assert (answer.thought, answer.text) == ("On a", "nd on and on")
    assert answer.usage.reasoning_tokens == 6 + len("\n") + 1 + len("\n\n")
    assert limited.last.finish_reason == "length"
    assert len(limited.text) == 40 - 30 - len("\n") - 1 - len("\n\n")
    assert (called.thought, called.calls) == ("On a", ['{"path": "a"}'])


def test_an_end_within_a_thought_ends_the_thought(hybrid: Model) -> None:
    answer = hybrid.answer("<think>\nThat is it.<|im_end|>Done.")

    assert (answer.thought, answer.text, answer.last.finish_reason) == ("That is it.", "Done.", "stop")


def test_log_probabilities_are_those_of_the_answer(hybrid: Model) -> None:
    answer = hybrid.answer(THOUGHT + "Yes\n", logprobs=0)

    shown = b"".join(token.token for delta in answer.deltas for token in delta.tokens)
    assert shown.decode() == answer.text == "Yes\n"


@pytest.fixture(scope="module")
def harmony(tmp_path_factory: pytest.TempPathFactory) -> Model:
    family = FAMILIES["harmony"]
    template = "Reasoning: {{ reasoning_effort or 'medium' }}" + family.template
    return Model(tmp_path_factory.mktemp("harmony"), template, tokens=(*family.tokens, *family.ends))


@pytest.mark.parametrize("off", [{"template_options": {"reasoning_effort": "none"}}, {"reasoning_budget": 0}])
def test_gpt_oss_which_cannot_but_think_thinks_a_little_where_it_is_to_think_nothing(
    harmony: Model, off: dict[str, Any]
) -> None:
    asked = harmony.prepare(**off)
    assert harmony.text(asked.tokens).startswith("Reasoning: low")
    assert asked.left_out == ("reasoning_effort: the model cannot but think; told is `low`",)
    assert harmony.format.reasoning.levels == ("low", "medium", "high")


@pytest.mark.parametrize(
    ("tools", "ends", "text", "calls"),
    [
        (ToolSet(), "<|channel|>final<|message|>Hello.", "Hello.", []),
        (ToolSet((READ,)), "<|channel|>final<|message|>Hello.", "Hello.", []),
        (
            ToolSet((READ,)),
            ' to=functions.read<|channel|>commentary json<|message|>{"path": "a"}',
            "",
            ['{"path": "a"}'],
        ),
    ],
)
def test_harmonys_analysis_is_counted_whatever_follows(
    harmony: Model, tools: ToolSet, ends: str, text: str, calls: list[str]
) -> None:
    thoughts = "".join(f"<|channel|>analysis<|message|>{one}<|end|><|start|>assistant" for one in ("Hm.", "Well."))
    answer = harmony.answer(thoughts + ends, tools=tools, stop=("Hm",))
    assert (answer.thought, answer.text, answer.calls) == ("Hm.\nWell.", text, calls)
    assert answer.usage.reasoning_tokens == len(harmony.core.tokenizer.encode_prompt(thoughts))


def test_harmonys_analysis_has_a_budget(harmony: Model) -> None:
    says = "<|channel|>analysis<|message|>Hm. And so on.<|end|><|start|>assistant<|channel|>final<|message|>Hello."
    budget = len(harmony.core.tokenizer.encode_prompt(says.partition(" And")[0]))
    answer = harmony.answer(says.replace(" And so on.", ""), reasoning_budget=budget)
    assert (answer.thought, answer.text) == ("Hm.", "Hello.")
    assert answer.usage.reasoning_tokens == budget + len(
        harmony.core.tokenizer.encode_prompt("<|end|><|start|>assistant")
    )


def test_gemma_4s_thoughts_are_counted(tmp_path: Path) -> None:
    family = FAMILIES["gemma4"]
    template = family.template + "{% if enable_thinking is undefined and 0 %}<|channel>thought\n<channel|>{% endif %}"
    model = Model(tmp_path, template, tokens=(*family.tokens, *family.ends, "<|channel>", "<channel|>"))
    thought = "<|channel>thought\nHm.\n<channel|>"
    answer = model.answer(f"{thought}Hello.")
    assert (answer.thought, answer.text) == ("Hm.", "Hello.")
    assert answer.usage.reasoning_tokens == len(model.core.tokenizer.encode_prompt(thought))


def conversation(thought: Reasoning | None = None) -> tuple[Message, ...]:
    parts = (Text("I look.\n"), Call("function", "read", '{"path": "a"}', "c"))
    return (HELLO, Message("assistant", (thought, *parts) if thought else parts), Message("tool", (Result("42", "c"),)))


def test_what_was_thought_goes_where_the_template_wants_it(hybrid: Model, load: Load) -> None:
    thought = Reasoning("I should look.")
    within, later = conversation(thought), (*conversation(thought), Message("assistant", "It is 42."), HELLO)

    assert "<think>\nI should look.\n</think>\n\nI look." in hybrid.prompt(*within)
    assert hybrid.prepare(*within).left_out == ()
    assert "I should look" not in hybrid.prompt(*later)
    assert "drops" in hybrid.prepare(*later).left_out[0]
    assert "takes nothing" in load(FORGETFUL).prepare(*within).left_out[0]
    assert hybrid.prompt(*within, template_options={"enable_thinking": True}) == hybrid.prompt(*within)


def test_what_was_answered_is_found_in_the_prefix_cache(hybrid: Model) -> None:
    tools = ToolSet((READ,))
    asked = Message("user", "What does the file say? " * 8)
    answer = hybrid.answer(THOUGHT + "I look.\n" + CALL, asked, tools=tools)
    parts = (Reasoning(answer.thought), Text(answer.text), Call("function", "read", answer.calls[0], "c"))
    again = (asked, Message("assistant", parts), Message("tool", (Result("42", "c"),)))
    known = answer.usage.input_tokens + answer.usage.output_tokens

    within = hybrid.answer(THOUGHT + "It is 42.", *again, tools=tools).usage
    # All but what the cache keeps whole blocks of, and the end of the turn, which was said and not computed.
    assert known - 16 <= within.cached_tokens <= known
    later = hybrid.answer("Yes.", *again, Message("assistant", "It is 42."), HELLO, tools=tools).usage
    # The user spoke: the template drops the thought, and all from there on is read again.
    assert answer.usage.input_tokens - 16 <= later.cached_tokens <= answer.usage.input_tokens
    lost = within.cached_tokens - later.cached_tokens
    assert lost >= answer.usage.reasoning_tokens - 16
