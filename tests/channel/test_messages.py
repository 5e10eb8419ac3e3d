"""Messages of both sides: they come out as they went in, and what is none of them is an error and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.channel.messages import FromHost, decode_answer, delta_message
from codex_windows_ai.errors import ChannelCorruptError, WindowsAiError
from codex_windows_ai.protocol.answer import ChosenToken, Delta, Timings, TokenLogprob, Usage

text = st.text(max_size=30)
count = st.integers(0, 2**31)
seconds = st.floats(0, 1e9)
logprob = st.builds(TokenLogprob, count, st.binary(max_size=4), st.floats(-1e3, 0))
token = st.builds(ChosenToken, count, st.binary(max_size=4), st.floats(-1e3, 0), st.tuples(logprob))
pieces = st.builds(Delta, text, st.lists(token, max_size=3).map(tuple))
last_pieces = st.builds(
    Delta,
    text,
    st.lists(token, max_size=3).map(tuple),
    st.sampled_from(["stop", "length", "cancelled"]),
    st.builds(Usage, count, count, count, st.booleans()),
    st.builds(Timings, seconds, seconds, seconds, seconds, count, count),
)


@given(st.one_of(pieces, last_pieces), st.integers(0, 2**32 - 1), st.booleans())
def test_a_piece_comes_out_as_it_went_in_with_its_tokens_where_they_are_wanted(
    delta: Delta, number: int, tokens: bool
) -> None:
    message = delta_message(number, delta, tokens=tokens)

    assert message.request == number
    assert decode_answer(message.kind, message.payload) == (delta if tokens else replace(delta, tokens=()))


def test_text_alone_travels_as_nothing_but_itself() -> None:
    message = delta_message(1, Delta("größer", (ChosenToken(1, b"x"),)), tokens=False)

    assert (message.kind, message.payload) == (FromHost.TEXT, "größer".encode())


@given(st.integers(0, 9), st.binary(max_size=60))
def test_random_bytes_from_a_host_are_a_message_or_an_error(kind: int, payload: bytes) -> None:
    try:
        answer = decode_answer(kind, payload)
    except ChannelCorruptError:
        return
    assert kind in (FromHost.TEXT, FromHost.DELTA) or isinstance(answer, WindowsAiError)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (FromHost.TEXT, b"\xff"),
        (FromHost.TEXT, b"\xed\xa0\x80"),  # half a surrogate pair
        (FromHost.DELTA, b"[]"),
        (FromHost.DELTA, b'{"text": 5}'),
        (FromHost.DELTA, b'{"finish_reason": "because"}'),
        (FromHost.SOURCE, b"{}"),
        (FromHost.STATISTICS, b"{}"),
        (FromHost.ERROR, b"{}"),
        (0, b""),
        (6, b""),
    ],
)
def test_what_is_no_message_of_its_kind_is_refused(kind: int, payload: bytes) -> None:
    with pytest.raises(ChannelCorruptError):
        decode_answer(kind, payload)
