"""The package itself: an answer from the host, streamed, and who gave it."""

import asyncio

from codex_windows_ai import SamplingParameters, execute_with_windows_ai


async def main() -> None:
    answer = await execute_with_windows_ai(
        "Write a haiku about rain.",
        use_kernel_driver=False,
        sampling=SamplingParameters(temperature=0.8, seed=7),
        max_output_tokens=60,
        on_text=lambda text: print(text, end="", flush=True),
    )
    print()
    print(answer.source.provider, answer.source.device, answer.usage, answer.timings)


asyncio.run(main())
