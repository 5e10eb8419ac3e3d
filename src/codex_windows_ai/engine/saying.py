"""What one sequence says: its tokens as text, a preamble apart from the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codex_windows_ai.engine.preamble import Preamble, PreambleReader
from codex_windows_ai.engine.sampling.stop_strings import StopStrings
from codex_windows_ai.engine.tokenizer import Detokenizer, Tokenizer
from codex_windows_ai.protocol.answer import ChosenToken, Delta, ReasoningPiece


class Saying:
    """Collects tokens, and gives what became certain of them. Stop strings end the answer, never its preamble."""

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str], preamble: Preamble | None) -> None:
        self._reader = PreambleReader(preamble) if preamble else None
        self._reasoning_text, self._answer_text = Detokenizer(tokenizer), Detokenizer(tokenizer)
        self._stop_strings = StopStrings(stop)
        self._reasoning, self._text = "", ""
        self._chosen: list[ChosenToken] = []
        self._open: list[ChosenToken] = []
        """Tokens of which it is not known yet what they are a part of."""
        self._preamble_tokens = 0

    @property
    def in_preamble(self) -> bool:
        """A preamble is being written."""
        return self._reader is not None and self._reader.inside

    @property
    def undecided(self) -> bool:
        """Nothing says yet whether there is a preamble."""
        return self._reader is not None and self._reader.undecided

    @property
    def preamble_tokens(self) -> int:
        """Tokens of preambles so far, their marks included."""
        return self._preamble_tokens

    @property
    def stopped(self) -> str | None:
        """The stop string that ended the answer."""
        return self._stop_strings.found

    def begin_answer(self) -> None:
        """What comes next is the answer's."""
        if self._reader is not None:
            self._reader.begin_answer()
            self._settle(b"")

    def beyond_preamble(self, token: bytes) -> int:
        """How many bytes of a next token come behind the mark that ends the preamble."""
        return self._reader.beyond_end(token) if self._reader is not None else 0

    def push(self, token: ChosenToken) -> None:
        """One more token."""
        if self._reader is None or self._reader.answering:
            self._chosen.append(token)
            self._text += self._stop_strings.push(self._answer_text.push_bytes(token.token))
            return
        reasoning, answer = self._reader.push(token.token)
        self._open.append(token)
        self._reason(reasoning)
        if not self._reader.pending:
            self._settle(answer)

    def push_end(self, token: ChosenToken) -> None:
        """The token that ends the answer, without text."""
        self._settle_rest()
        self._chosen.append(token)

    def take(self) -> Delta | None:
        """What became certain since the last time; None: nothing."""
        if not (self._text or self._reasoning or self._chosen):
            return None
        delta = Delta(text=self._text, tokens=tuple(self._chosen))
        if self._reasoning:
            delta = delta.holding([ReasoningPiece(self._reasoning), *delta.pieces])
        self._reasoning, self._text, self._chosen = "", "", []
        return delta

    def finish(self) -> Delta:
        """The rest."""
        self._settle_rest()
        if not self.stopped:
            self._text += self._stop_strings.push(self._answer_text.finish())
            self._text += self._stop_strings.finish()
        return self.take() or Delta()

    def _settle_rest(self) -> None:
        """Nothing more comes: whatever is held back is told."""
        if self._reader is not None and not self._reader.answering:
            reasoning, answer = self._reader.finish()
            self._reason(reasoning)
            self._reasoning += self._reasoning_text.finish()
            self._settle(answer)

    def _reason(self, data: bytes) -> None:
        self._reasoning += self._reasoning_text.push_bytes(data)
        if not self.in_preamble:
            self._reasoning += self._reasoning_text.finish()

    def _settle(self, answer: bytes) -> None:
        """The last bytes of the open tokens are the answer's; the others are no part of it."""
        left, settled = len(answer), list[ChosenToken]()
        for token in reversed(self._open):
            own = min(left, len(token.token))
            left -= own
            settled.append(replace(token, token=token.token[len(token.token) - own :]))
        self._open = []
        if self._reader is not None and self._reader.found:
            self._preamble_tokens += sum(not token.token for token in settled)
        self._chosen += reversed(settled)
        self._text += self._stop_strings.push(self._answer_text.push_bytes(answer))
