"""The command as a process: help without heavy imports, a closed pipe, versions."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tulle
from tulle.__main__ import main
from tulle.cli import values
from tulle.cli.table import Table, plain


@pytest.mark.parametrize("verb", ["compile", "inspect", "run"])
def test_every_verb_has_help_with_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert f"examples:\n  tulle {verb} " in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"tulle {tulle.__version__}\n"


def test_no_verb_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "`tulle --help` lists what there is" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from tulle.cli.parser import build_parser; build_parser().format_help();"
        "heavy = {'numpy', 'onnx', 'onnxruntime', 'numba', 'rich', 'lark', 'networkx'} & set(sys.modules);"
        "sys.exit(','.join(heavy) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m tulle inspect --target wse2 --json"
    ended = subprocess.run(f"{command} | head -n 1", shell=True, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("{\n", "")


def test_the_public_names() -> None:
    assert set(dir(tulle)) >= {"Session", "compile", "load"}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tulle.nothing  # noqa: B018


def test_plain_tables_align_numbers_right() -> None:
    table = Table("t", ("name", "bytes"), (("a", 5), ("long", 12345)), "note")
    assert plain(table) == "t\n  name   bytes\n  a          5\n  long  12,345\nnote"


@pytest.mark.parametrize("text", ["magnitude:1.5", "magnitude", "random:x", "mask:", "half:0.5"])
def test_pruning_that_makes_no_sense(text: str) -> None:
    with pytest.raises(Exception, match=r"not|share"):
        values.pruning(text)


@pytest.mark.parametrize("text", ["magnitude:0.75", "random:0", "mask:m.npz"])
def test_pruning(text: str) -> None:
    assert values.pruning(text) == text
