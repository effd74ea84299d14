"""The feeds of a run from the command line: an .npz, token ids, a text, or seeded values."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tulle.cli.paths import require_file
from tulle_ir.diagnostics import BadInput, UsageError
from tulle_ir.program import Protocol
from tulle_runtime.session import Session
from tulle_runtime.signature import Value

Feeds = dict[str, np.ndarray]


def read_npz(path: Path) -> Feeds:
    """The arrays of an .npz by name. Raises BadInput."""
    require_file(path)
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array without a name")
        with loaded as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, AttributeError, EOFError, OSError, zipfile.BadZipFile) as error:
        remedy = "make it by np.savez, each array by the name of its input"
        raise BadInput(f"not an .npz of plain arrays: {error}", where=str(path), remedy=remedy) from error


def token_feeds(ids: list[int], session: Session) -> Feeds:
    """One sequence of token ids, in the rank the model takes."""
    value = _only_input(session, "--tokens and --prompt")
    if not np.issubdtype(np.dtype(value.dtype), np.integer):
        raise UsageError(f"the model takes no token ids but {value}", remedy="give --inputs")
    array = np.array(ids, dtype=np.int64)
    return {value.name: array if len(value.shape) == 1 else array[None]}


def encode_prompt(text: str, tokenizer: Mapping[str, Any] | None) -> list[int]:
    """Token ids of a text. Raises BadInput if the artifact has no tokenizer, or the text a character it lacks."""
    characters = _characters(tokenizer)
    index = {character: i for i, character in enumerate(characters)}
    for place, character in enumerate(text):
        if character not in index:
            raise BadInput(
                f"the model knows no character {character!r}",
                where=f"--prompt at {place}",
                remedy=f"its characters are {characters!r}",
            )
    return [index[character] for character in text]


def decode_tokens(tokens: list[int], tokenizer: Mapping[str, Any] | None) -> str:
    """The text of token ids; an id beyond the tokenizer's gives a question mark."""
    characters = _characters(tokenizer)
    return "".join(characters[token] if token < len(characters) else "?" for token in tokens)


def seeded_feeds(session: Session, seed: int = 0) -> Feeds:
    """Values for every input from a seeded generator: two full chunks and a shorter one, if the context allows, for
    each replica."""
    rng = np.random.default_rng(seed)
    protocol = session.program.protocol or Protocol(chunk=1)
    wanted = 2 * protocol.chunk + max(1, protocol.chunk // 2)
    tokens = min(wanted, protocol.context) if protocol.context else wanted
    replicas = session.program.replicas.count
    return {value.name: _seeded(value, tokens, replicas, protocol, rng) for value in session.inputs}


def _seeded(value: Value, tokens: int, replicas: int, protocol: Protocol, rng: np.random.Generator) -> np.ndarray:
    """The last dimension of ids, and the last but one of features, is the tokens (if there is no other, all replicas'
    together); other free dimensions are as many as there are replicas."""
    dtype = np.dtype(value.dtype)
    integers = np.issubdtype(dtype, np.integer)
    along = len(value.shape) - (1 if integers else 2)
    if along == 0:
        tokens *= replicas if not protocol.context else 1
    shape = [n if isinstance(n, int) else tokens if i == along else replicas for i, n in enumerate(value.shape)]
    if integers:
        return rng.integers(0, protocol.vocab or 2, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def _only_input(session: Session, flags: str) -> Value:
    if len(session.inputs) != 1:
        names = ", ".join(value.name for value in session.inputs) or "(none)"
        raise UsageError(f"{flags} need a model with one input; this one has {names}", remedy="give --inputs")
    return session.inputs[0]


def _characters(tokenizer: Mapping[str, Any] | None) -> str:
    if tokenizer is None:
        raise BadInput("the artifact holds no tokenizer", remedy="give --tokens or --inputs instead of --prompt")
    if tokenizer.get("kind") != "characters":
        raise BadInput(f"a tokenizer of kind {tokenizer.get('kind')!r} is not supported", remedy="give --tokens")
    return str(tokenizer["characters"])
