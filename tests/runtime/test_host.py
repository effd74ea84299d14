"""Host streams: arrays to wavelets and back, chunk headers, checks of what arrives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulle_ir.code import DType
from tulle_ir.program import HostPort, HostStream, Port, StreamFormat
from tulle_runtime.host import Chunking, StreamError, decode, encode
from tulle_runtime.host.packing import pack, unpack

DTYPES = (DType.F16, DType.F32)


def ports(count: int, *, features: str = "", header: bool = True) -> tuple[HostPort, ...]:
    """`count` ports on the west edge; port i carries the tensor `<features><i>`."""
    return tuple(HostPort(0, i, Port.WEST, 3, f"{features}{i}" if features else "", header) for i in range(count))


def chunked(width: int, of: tuple[HostPort, ...], dtype: DType, *, is_input: bool = False) -> HostStream:
    return HostStream("x", is_input, StreamFormat.CHUNKS, dtype, width, of)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9])
def test_f16_packs_two_to_a_wavelet_first_in_the_low_half(n: int) -> None:
    values = np.arange(1, n + 1, dtype=np.float32)
    words = pack(values[None], DType.F16)
    bits = values.astype(np.float16).view(np.uint16)
    assert words.shape == (1, (n + 1) // 2)
    assert words[0, 0] & 0xFFFF == bits[0]
    assert words[0, -1] >> 16 == (bits[-1] if n % 2 == 0 else 0)
    np.testing.assert_array_equal(unpack(words, n, DType.F16)[0], values)


def test_f16_overflows_to_infinity_without_a_warning() -> None:
    assert unpack(pack(np.array([1e6, np.nan]), DType.F16), 2, DType.F16)[0] == np.inf


def test_the_high_half_of_an_odd_last_element_is_ignored() -> None:
    words = pack(np.ones((1, 3)), DType.F16) | np.array([0, 0xABCD0000], np.uint32)
    np.testing.assert_array_equal(unpack(words, 3, DType.F16), np.ones((1, 3)))


def test_chunk_of_ids_matches_the_header_of_the_machine_page() -> None:
    stream = HostStream("ids", True, StreamFormat.IDS, DType.I32, 1, ports(2))
    words = encode(stream, np.array([[7, 8, 9], [4, 5, 6]], np.int32), Chunking(2, 3, 2), {})
    last = 1 << 8
    one = [2, 7, 8, last | 1 | 2 << 16, 9]
    assert words[0].tolist() == [*one, 2, 4, 5, last | 1 | 2 << 16, 6]
    assert words[1].tolist() == words[0].tolist()


def test_a_sequence_of_one_full_chunk_has_the_last_flag() -> None:
    assert Chunking(1, 4, 4).headers(Chunking(1, 4, 4).groups()[0]).tolist() == [4 | 1 << 8]


@given(
    batch=st.integers(1, 3),
    tokens=st.integers(1, 9),
    size=st.integers(1, 5),
    width=st.integers(1, 7),
    count=st.integers(1, 4),
    dtype=st.sampled_from(DTYPES),
    header=st.booleans(),
)
def test_chunks_round_trip(
    batch: int, tokens: int, size: int, width: int, count: int, dtype: DType, header: bool
) -> None:
    """What encode sends, decode reads back: features dealt over the ports in any order, with padding."""
    rng = np.random.default_rng(width * 31 + count)
    dealt = np.array_split(rng.permutation(width).astype(np.int32), count)
    tensors = {f"f{i}": np.insert(part, len(part) // 2, -1) for i, part in enumerate(dealt)}
    x = rng.standard_normal((batch, tokens, width)).astype(np.float16)
    stream, chunking = chunked(width, ports(count, features="f", header=header), dtype), Chunking(batch, tokens, size)
    np.testing.assert_array_equal(decode(stream, encode(stream, x, chunking, tensors), chunking, tensors), x)


@given(batch=st.integers(1, 3), tokens=st.integers(1, 9), size=st.integers(1, 4), turns=st.integers(1, 4))
def test_ports_that_take_turns_carry_every_chunk_once(batch: int, tokens: int, size: int, turns: int) -> None:
    """Chunks are counted through all sequences, the shorter last one of each among them."""
    x = np.arange(batch * tokens, dtype=np.float32).reshape(batch, tokens, 1)
    (port,) = ports(1)
    stream = chunked(1, tuple(replace(port, y=t, turn=t, turns=turns) for t in range(turns)), DType.F32)
    chunking = Chunking(batch, tokens, size)
    words = encode(stream, x, chunking, {})
    (whole,) = encode(chunked(1, ports(1), DType.F32), x, chunking, {})
    assert sum(map(len, words)) == len(whole)
    chunks = batch * -(-tokens // size)
    assert [len(w) > 0 for w in words] == [t < chunks for t in range(turns)]
    np.testing.assert_array_equal(decode(stream, words, chunking, {}), x)


def test_rows_travel_feature_by_feature() -> None:
    tensors = {"f0": np.array([1, 0], np.int32)}
    x = np.array([[[1, 10], [2, 20], [3, 30]]], np.float32)
    (words,) = encode(chunked(2, ports(1, features="f"), DType.F32), x, Chunking(1, 3, 2), tensors)
    floats = words.view(np.float32)
    assert floats[[1, 2, 3, 4, 6, 7]].tolist() == [10, 20, 1, 2, 30, 3]


def test_raw_is_split_over_the_ports_in_equal_parts() -> None:
    stream = HostStream("x", True, StreamFormat.RAW, DType.F16, 6, ports(2))
    words = encode(stream, np.arange(6), None, {})
    assert [len(w) for w in words] == [DType.F16.wavelets(3)] * 2
    np.testing.assert_array_equal(decode(stream, words, None, {}), np.arange(6))


def test_only_the_last_token_of_each_sequence() -> None:
    stream = chunked(2, ports(1, header=True), DType.F32)
    last = Chunking(2, 7, 4).last_only()
    rows = np.array([[[1, 2]], [[3, 4]]], np.float32)
    (words,) = encode(stream, rows, last, {})
    words[0] |= np.uint32(6 << 16)  # the position is the program's affair
    np.testing.assert_array_equal(decode(stream, [words], last, {}, check_position=False), rows)


def test_arrivals_of_the_wrong_number_are_an_error() -> None:
    stream = chunked(2, ports(1), DType.F32)
    with pytest.raises(StreamError, match="4 wavelets arrived, 5 expected"):
        decode(stream, [np.zeros(4, np.uint32)], Chunking(1, 2, 2), {})


def test_a_wrong_header_is_an_error() -> None:
    stream, chunking = chunked(1, ports(1), DType.F32), Chunking(1, 3, 2)
    (words,) = encode(stream, np.ones((1, 3, 1)), chunking, {})
    words[3] = 2
    with pytest.raises(StreamError, match="chunk 0: header 0x00000002, expected 0x00020101"):
        decode(stream, [words], chunking, {})


def test_a_feature_that_no_port_carries_is_an_error() -> None:
    stream, tensors = chunked(2, ports(1, features="f"), DType.F32), {"f0": np.array([0], np.int32)}
    chunking = Chunking(1, 1, 1)
    with pytest.raises(StreamError, match="no port carries feature 1"):
        decode(stream, encode(stream, np.ones((1, 1, 2)), chunking, tensors), chunking, tensors)
