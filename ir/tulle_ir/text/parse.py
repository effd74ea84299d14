"""Parses text: errors are BadInput with file:line:col, in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import Any

import numpy as np
from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from tulle_ir.program import Program
from tulle_ir.text.places import Places, TextError
from tulle_ir.text.stage import Stage
from tulle_ir.text.stage_reader import StageReader

_GRAMMARS = {"program": ("tlir.lark",), "stage": ("tlir.lark", "stages.lark")}
_STARTS = {"program": ["program", "member"], "stage": ["stage"]}  # rules
_FIRST = re.compile(r"(?:\s|//[^\n]*\n)*(program|graph|plan|placed|routed)\b")
_PLAIN_WORDS = {
    "NAME": "a name",
    "STRING": "text in quotes",
    "INT": "an integer",
    "FLOAT": "a number",
    "QUEUE": "a queue or tensor (%name)",
    "SIZE": "a size (4x3)",
    "DTYPE": "a type (f16, f32, i32, u16)",
    "SIDE": "a side (north, east, south, west)",
    "THREAD": "a microthread (t0, t1, ...)",
    "VECTOR_OP": "a vector operation",
    "CMP": "a comparison",
    "FORMAT": "a format (raw, chunks, ids)",
    "CATEGORY": "a category (weights, activations, cache, code)",
    "VERB": "activate, block or unblock",
    "MIRROR_X": "'mirror x'",
    "MIRROR_Y": "'mirror y'",
}
_STARTS_INSTRUCTION = """
    ASYNC AWAIT AXPY IF LOAD LOOP MAX MIN NAME POP PUSH STOP STORE STRING VECTOR_OP VERB WHILE
"""
_INSTRUCTION = frozenset(_STARTS_INSTRUCTION.split())
_MOST_EXPECTED = 10
_lock = Lock()  # the reader collects the places of one text at a time


def parse_program(text: str, tensors: Mapping[str, np.ndarray] | None = None, file: str = "<text>") -> Program:
    """The program of a text; `tensors` are those beside it. Raises BadInput with file:line:col."""
    return parse_with_places(text, tensors, file)[0]


def parse_with_places(
    text: str, tensors: Mapping[str, np.ndarray] | None = None, file: str = "<text>"
) -> tuple[Program, Places]:
    """Like `parse_program`, with the place of every declaration and instruction."""
    program, places = _parse(text, tensors, file, "program")
    assert isinstance(program, Program)
    return program, places


def parse_stage(text: str, tensors: Mapping[str, np.ndarray] | None = None, file: str = "<text>") -> Stage:
    """The stage of a text, whichever it is; `tensors` are those beside it. Raises BadInput with file:line:col."""
    return parse_stage_with_places(text, tensors, file)[0]


def parse_stage_with_places(
    text: str, tensors: Mapping[str, np.ndarray] | None = None, file: str = "<text>"
) -> tuple[Stage, Places]:
    """Like `parse_stage`, with the place of every declaration."""
    return _parse(text, tensors, file, "program" if level_of(text) == "program" else "stage")


def parse_member(text: str) -> tuple[object, ...]:
    """What a class, or a member of one, declares: a text without its surroundings. Raises BadInput."""
    declared, _ = _parse(text, None, "", "program", "member")
    return declared if isinstance(declared, tuple) else (declared,)


def level_of(text: str) -> str:
    """The level of the stage that a text begins like; "" if like none."""
    found = _FIRST.match(text)
    return found[1] if found else ""


def _parse(
    text: str, tensors: Mapping[str, np.ndarray] | None, file: str, grammar: str, start: str = ""
) -> tuple[Any, Places]:
    parser, reader = _parser(grammar)
    with _lock:
        reader.places, reader.beside = Places(file), tensors or {}
        places = reader.places
        try:
            return parser.parse(text, start=start or grammar), places
        except TextError as error:
            raise error.as_bad_input(file) from None
        except UnexpectedInput as error:
            raise _explain(error, parser, text).as_bad_input(file) from None
        finally:
            reader.places, reader.beside = Places(""), {}


def language() -> Lark:
    """The parser of programs itself, for tools that ask what the grammar knows."""
    return _parser("program")[0]


@cache
def _parser(grammar: str) -> tuple[Lark, StageReader]:
    folder = files("tulle_ir").joinpath("text")
    rules = "\n".join(folder.joinpath(part).read_text(encoding="utf-8") for part in _GRAMMARS[grammar])
    reader = StageReader()
    return Lark(rules, parser="lalr", start=_STARTS[grammar], transformer=reader, propagate_positions=False), reader


def _explain(error: UnexpectedInput, parser: Lark, text: str) -> TextError:
    match error:
        case UnexpectedCharacters():
            return TextError(f"the character '{error.char}' has no meaning here", error.line, error.column)
        case UnexpectedToken():
            return _unexpected(error, parser, text)
        case _:
            return TextError("the text cannot be read", max(error.line, 1), max(error.column, 1))


def _unexpected(error: UnexpectedToken, parser: Lark, text: str) -> TextError:
    token: Token = error.token
    # `accepts` is exact where `expected` may name more; it needs the parser state that lark kept
    accepted = error.accepts or error.expected
    expected = _in_words(parser, accepted)
    if token.type == "$END":
        lines = text.splitlines() or [""]
        return TextError(f"the text ends where {expected} is expected", len(lines), len(lines[-1]) + 1)
    found = text[token.start_pos : token.end_pos] if token.start_pos is not None else str(token)
    return TextError(f"unexpected '{found}': expected {expected}", token.line or 1, token.column or 1)


def _in_words(parser: Lark, terminals: set[str]) -> str:
    instruction = ["an instruction"] if terminals >= _INSTRUCTION else []
    if instruction:
        terminals = terminals - _INSTRUCTION
    words = instruction + sorted(_PLAIN_WORDS.get(name) or _literal(parser, name) for name in terminals)
    if len(words) > _MOST_EXPECTED:
        words = [*words[:_MOST_EXPECTED], "..."]
    return " or ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + f" or {words[-1]}"


def _literal(parser: Lark, name: str) -> str:
    return "the end of the text" if name == "$END" else f"'{parser.get_terminal(name).pattern.value}'"
