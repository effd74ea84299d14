"""Feeds that do not match the signature: each complaint names the input and says what to give."""

from __future__ import annotations

import numpy as np
import pytest

from tulle_ir.code import DType
from tulle_ir.diagnostics import BadInput
from tulle_ir.program import HostPort, HostStream, Port, Program, Protocol, StreamFormat
from tulle_runtime.host.chunking import Chunking
from tulle_runtime.host.feeds import bind
from tulle_runtime.signature import signature_of

PORT = (HostPort(0, 0, Port.WEST, 1),)
IDS = HostStream("input_ids", True, StreamFormat.IDS, DType.I32, 1, PORT)
FLOATS = HostStream("x", True, StreamFormat.CHUNKS, DType.F16, 3, PORT)
RAW = HostStream("r", True, StreamFormat.RAW, DType.F32, 4, PORT)
PROTOCOL = Protocol(chunk=4, context=8, vocab=10)


def feed(stream: HostStream, **feeds: np.ndarray) -> tuple[dict[str, np.ndarray], Chunking | None]:
    program = Program("generic", (1, 1), streams=(stream,), protocol=PROTOCOL)
    return bind(feeds, signature_of(program).inputs, program)


def ids(*values: int) -> np.ndarray:
    return np.array([values], np.int64)


def test_ids_become_i32_and_a_chunking() -> None:
    bound, chunking = feed(IDS, input_ids=ids(1, 2, 3, 4, 5))
    assert bound["input_ids"].dtype == np.int32
    assert chunking == Chunking(1, 5, 4)


def test_rank_2_features_are_one_sequence() -> None:
    bound, chunking = feed(FLOATS, x=np.full((5, 3), np.nan, np.float32))
    assert bound["x"].shape == (1, 5, 3)
    assert chunking == Chunking(1, 5, 4)


def test_raw_takes_any_shape_of_the_right_size() -> None:
    bound, chunking = feed(RAW, r=np.ones((2, 2), np.float32))
    assert bound["r"].shape == (4,)
    assert chunking is None


@pytest.mark.parametrize(
    ("stream", "feeds", "message"),
    [
        (IDS, {"ids": ids(1)}, r"no input 'ids'\n  to change: the inputs are input_ids: int64\[batch, tokens\]"),
        (IDS, {}, "input 'input_ids' is missing"),
        (IDS, {"input_ids": np.ones((1, 2), np.float32)}, "'input_ids' is float32"),
        (IDS, {"input_ids": np.array([1, 2])}, r"shape \[2\] has rank 1"),
        (IDS, {"input_ids": ids()}, r"shape \[1, 0\] holds no tokens"),
        (IDS, {"input_ids": np.zeros((0, 3), np.int64)}, r"shape \[0, 3\] holds no tokens"),
        (IDS, {"input_ids": ids(1, -2)}, r"at \[0, 1\]: token id -2 is out of range: the ids are 0 to 9"),
        (IDS, {"input_ids": ids(1, 2, 10)}, r"at \[0, 2\]: token id 10 is out of range"),
        (IDS, {"input_ids": ids(*[1] * 9)}, "a sequence of 9 tokens is 1 longer than the context of 8"),
        (FLOATS, {"x": np.ones((2, 4), np.float32)}, "has 4 features, not 3"),
        (FLOATS, {"x": np.ones((1, 2, 3), np.int64)}, "'x' is int64"),
        (RAW, {"r": np.ones(5, np.float32)}, "has 5 elements, not 4"),
    ],
)
def test_bad_feeds(stream: HostStream, feeds: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        feed(stream, **feeds)


def test_a_chunked_stream_needs_a_protocol() -> None:
    program = Program("generic", (1, 1), streams=(IDS,))
    with pytest.raises(BadInput, match="states no protocol"):
        bind({"input_ids": ids(1)}, signature_of(program).inputs, program)
