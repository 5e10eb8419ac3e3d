"""How far unseeded greedy answers, with cache, batch and speculation, differ from seeded ones.

Run it with the environment's Python: `.venv/bin/python scripts/measure_exactness.py`. It asks the
default model 24 questions, first each alone with a seed (exact), then all at once without one, and
prints how many answers are the same and after how many tokens the others part.
"""

from __future__ import annotations

from codex_windows_ai.chat.formats import chat_format
from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.protocol.request import Message, SamplingParameters, ToolSet
from codex_windows_ai.settings import DEFAULT_MODEL

SUBJECTS = ("rain", "a queue", "the moon", "a compiler", "bread", "recursion", "a bridge", "sleep")
QUESTIONS = ("Explain {} in two sentences.", "Write a short story about {}.", "List five facts about {}.")
OUTPUT_TOKENS = 96


def main() -> None:
    questions = [question.format(subject) for question in QUESTIONS for subject in SUBJECTS]
    folder = ModelStore().resolve(DEFAULT_MODEL)
    with Engine(folder) as engine:
        form = chat_format(folder.path, engine.tokenizer)
        prompts = [tuple(form.render([Message("user", question)], ToolSet())) for question in questions]
        exact = [answers(engine, [prompt], seed=0)[0] for prompt in prompts]
        again = answers(engine, prompts, seed=0)
        free = answers(engine, prompts, seed=None)
    assert again == exact, "seeded answers must not depend on what else runs"
    parted = [first_difference(one, other) for one, other in zip(exact, free, strict=True) if one != other]
    print(f"seeded, alone and all at once: {len(prompts)} of {len(prompts)} answers the same")
    print(f"unseeded against seeded: {len(prompts) - len(parted)} of {len(prompts)} answers the same")
    if parted:
        print(f"the others part after {min(parted)} to {max(parted)} of up to {OUTPUT_TOKENS} tokens")


def answers(engine: Engine, prompts: list[tuple[int, ...]], seed: int | None) -> list[list[int]]:
    """Token ids of the answers to prompts that are asked at the same time."""
    streams = [
        engine.submit(
            EngineRequest(
                prompt,
                sampling=SamplingParameters(seed=seed),
                max_output_tokens=OUTPUT_TOKENS,
                agent=str(number),
            )
        )
        for number, prompt in enumerate(prompts)
    ]
    return [[token.token_id for delta in stream for token in delta.tokens] for stream in streams]


def first_difference(one: list[int], other: list[int]) -> int:
    """Tokens before the two part."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


if __name__ == "__main__":
    main()
