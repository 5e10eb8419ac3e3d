"""Many requests at once over one shared-memory channel, without HTTP. The host must run: `cwai serve`."""

import asyncio

from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import GenerationRequest, Grammar, Message
from codex_windows_ai.client.connect import connect


async def main() -> None:
    reports = ["it crashes on save", "please add a dark mode", "how do I log in?"]
    kinds = Grammar("regex", "bug|feature|question")
    requests = [GenerationRequest((Message("user", f"Classify: {text}"),), grammar=kinds) for text in reports]

    async with await connect(requests[0], model="") as client:

        async def ask(request: GenerationRequest) -> str:
            return "".join([piece.text async for piece in client.stream(request) if isinstance(piece, Delta)])

        print(dict(zip(reports, await asyncio.gather(*map(ask, requests)), strict=True)), "by", client.brokered_by)


asyncio.run(main())
