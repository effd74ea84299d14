"""The text form: print and parse are inverses, errors have places, the words of the language are known."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import strategies
from hypothesis import HealthCheck, given, settings

from tulle_ir.diagnostics import BadInput
from tulle_ir.program import Program
from tulle_ir.text import parse_program, parse_repeated, parse_with_places, print_program, print_stage, stored_tensors
from tulle_ir.text.lexical import WORDS
from tulle_ir.text.parse import language

EVERYTHING = """program "every declaration and instruction" target "wse2" mesh 4x3 {
  protocol chunk 16 context 1024 vocab 50257 last only
  symbol "h.0.mlp.c_fc" at [0, 0, 3, 2] origin "/h.0/mlp/c_fc/Gemm"
  symbol "no origin" at [3, 0, 1, 1]
  input "x" : chunks f16[32] {
    port (0, 0) north color 3 features "x.lane0"
    port (1, 0) north color 3 without header
  }
  output "y" : raw f32[4] {
    port (3, 2) east color 4
  }
  input "ids" : ids i32[1] {
    port (0, 1) west color 5
  }
  route "x" {
    color 3 lanes 4: from north at (i, 0) ramp, south to 1 ramp each, end ramp
    color 4 lanes 2x3: from ramp at (i*2 - 1, j*3 + 2), east to -i - j + 1, end south
    color 5: from west at (0, 1)
  }
  class "tile" at [1, 0, 2, 2] step (1, 2) sram 4096 {
    buffer x : f16[512] at 0
    buffer "buffer" : i32[8] at 1024 weights = tensor "words"
    buffer kv : u16[8] at 1056 cache
    buffer code : f32[8] at 1072 code
    table w : f16[140] columns 32 ptr at 2000, row at 2100, value at 2400 = tensor "tile.w"
    register K = tensor "tile.K"
    register n
    register k = -5
    input %x : f16 color 3 queue 0
    output %"an odd name" : f32 color 4 queue 1
    task chunk on %x blocked {
      pop n = %x
      n = n & 255
      n = -3
      n = n + 1
      n = n - -1
      n = n * k
      n = n | k
      n = n << 2
      n = n >> k
      n = n / 7
      n = n % 7
      n = min(n, -4)
      n = max(3, n)
      async t1 mov x(16), %x over K, n then done
      async t2 mov x, %x over n
      loop k < K {
        await t1 rows k
        axpy y(24), w[k], x[k*16 - n*2 + 3](16, 2) over n
        axpy y[n](24), w[%x]
        axpy y, %x, x(16) over n
        max %sum[k*2 + 1], y(1), 0.0 over n, 1
      }
      if n == 3 {
        stop
      } else {
        activate done
        block done
        unblock done
      }
      if n < 3 {
      }
      while n >= -3 {
        n = n - 1
      }
      await t2
      push %"an odd name" = 3
      load n = x[k]
      store y[3] = n
      mov x, 2.5 over 3
      add x, x, -1.0 over 3, 4
      sub %"an odd name", x, %x over n
      mul x[-1], x[-k - 2](0, 0), inf over n
      fma x(0, 2), x, 1e-10 over k, n
      max x, x, x over n
      min x, x, x over n
      exp x, x over n
      tanh x, x over n
      erf x, x over n
      recip x, x over n
      rsqrt x, x over n
    }
    task done on start {
    }
    task third {
      stop
    }
  }
  tensor "f" : f32[2, 2] = [0.1, -2.0, 1e+10, inf]
  tensor "s" : f16[] = [0.1]
  tensor "tile.K" : i32[4] = [1, 2, 3, -4]
}
"""


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.programs)
def test_parse_after_print_is_identity(program: Program) -> None:
    text = print_program(program)
    again = parse_program(text, stored_tensors(program.tensors))
    assert again == program
    assert print_stage(again) == text


def test_every_declaration_and_instruction() -> None:
    program = parse_program(EVERYTHING)
    assert print_program(program) == EVERYTHING
    assert parse_program(print_program(program)) == program


def test_layout_and_comments_do_not_matter() -> None:
    lines = [line for line in EVERYTHING.splitlines() if line]
    dense = " ".join(line.strip() for line in lines)
    spaced = "\r\n\t".join(f"{line}  // comment {{" for line in lines)
    assert parse_program(dense) == parse_program(spaced) == parse_program(EVERYTHING)


def test_other_spellings() -> None:
    text = """program "" target "generic" mesh 2x1 {
      route "r" { color 0 lanes 2x1: from ramp at (2*i + 1 - 1, 0*j) }
      class "c" at [0, 0, 1, 1] step (1, 1) sram 0x10 {
        register a, b = 0x1f, "c"
        buffer x : f32[4] at 0 activations
        task t { mov x(0, 1), 1 over 1, 4  "c" = "a" store x = a load b = x[1 + 2*a] }
      }
    }"""
    program = parse_program(text)
    assert (
        print_program(program)
        == """program "" target "generic" mesh 2x1 {
  route "r" {
    color 0 lanes 2: from ramp at (i*2, 0)
  }
  class "c" at [0, 0, 1, 1] sram 16 {
    buffer x : f32[4] at 0
    register a
    register b = 31
    register c
    task t {
      mov x, 1.0 over 4
      c = a
      store x[0] = a
      load b = x[a*2 + 1]
    }
  }
}
"""
    )


def test_places_of_declarations_and_instructions() -> None:
    program, places = parse_with_places(EVERYTHING, file="every.tlir")
    lines = EVERYTHING.splitlines()
    tile = program.classes[0]
    for node, text in ((tile, "class"), (tile.tables[0], "table"), (tile.tasks[0].code[2], "n = -3")):
        line, column = (int(number) for number in places.of(node).removeprefix("every.tlir:").split(":"))
        assert lines[line - 1][column - 1 :].startswith(text)
    assert places.of(replace(tile)) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.tlir:1:1: the text ends where 'program' is expected"),
        ("\n  programme", "f.tlir:2:10: unexpected 'me': expected text in quotes"),
        ('program "x" target "t" mesh 4 {}', "f.tlir:1:29: unexpected '4': expected a size (4x3)"),
        ('program "x" target "t" mesh 4x1 {\n  ?', "f.tlir:2:3: the character '?' has no meaning here"),
        ('program "\\x" target "t" mesh 4x1 {}', 'f.tlir:1:9: "\\x" has an escape that is not one of JSON\'s'),
    ],
)
def test_broken_text_names_line_and_column(text: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_program(text, file="f.tlir")
    assert str(caught.value) == message
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("word", ["loop", "then", "input"])
def test_a_reserved_word_as_a_name_must_be_quoted(word: str) -> None:
    with pytest.raises(BadInput, match=f"'{word}' is a word of the language\n.*write it in quotes"):
        parse_program(EVERYTHING.replace("register n\n", f"register {word}\n"))
    parse_program(EVERYTHING.replace("register n\n", f'register "{word}"\n'))


def test_words_of_the_language_are_those_of_the_grammar() -> None:
    """A keyword that the parser may accept where a name may stand must be printed in quotes."""
    parser = language()
    states = parser.parser.parser._parse_table.states  # type: ignore[attr-defined]
    patterns = {terminal.name: terminal.pattern.to_regexp() for terminal in parser.terminals}
    words = {word for pattern in patterns.values() for word in re.findall(r"[a-z]+", pattern)}
    beside_names = {name for accepted in states.values() if "NAME" in accepted for name in accepted if name in patterns}
    keywords = beside_names - {"NAME", "STRING"}
    reserved = {word for word in words if any(re.fullmatch(patterns[name], word) for name in keywords)}
    assert reserved == WORDS


def _program_of_twins() -> str:
    """Canonical text of classes that repeat each other."""
    member = "\n".join(
        [
            "    buffer X : f16[64] at 0",
            "    register n",
            "    input %i : f16 color 1 queue 0",
            "    task go on start {",
            "      loop n < 3 {",
            "        add X, X, 1.0 over 4",
            "      }",
            "    }",
            "    task idle {}",
        ]
    )
    classes = [f'  class "c{k}" at [{k}, 0, 1, 1] sram 256 {{\n{member}\n  }}' for k in range(3)]
    bare = '  class "bare" at [3, 0, 1, 1] sram 64 {}'
    text = 'program "twins" target "generic" mesh 4x1 {\n' + "\n".join([*classes, bare]) + "\n}\n"
    return print_program(parse_program(text))


def test_repeated_members_are_read_as_if_each_was_parsed() -> None:
    text = _program_of_twins()
    assert parse_repeated(text, {}, "f") == parse_program(text)
    assert len(parse_repeated(text, {}, "f").classes) == 4


@pytest.mark.parametrize("change", [("task idle", "tusk idle"), ("buffer X", "buffer\n X"), ("loop n", "loop q r")])
def test_another_layout_or_a_wrong_text_is_read_as_ever(change: tuple[str, str]) -> None:
    text = _program_of_twins().replace(*change)
    results = []
    for parse in (parse_program, lambda text: parse_repeated(text, {}, "<text>")):
        try:
            results.append(parse(text))
        except BadInput as error:
            results.append(str(error))
    assert results[0] == results[1]
