"""The command as a process: help without heavy imports, a closed pipe, versions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
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


def test_places_to_write_to_are_looked_at_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The model is empty: what cannot be written is found first where both are wrong."""
    model = tmp_path / "m.onnx"
    model.touch()
    assert main(["compile", str(model), "-o", str(tmp_path / "none" / "m.tulle")]) == 3
    assert f"there is no folder '{tmp_path / 'none'}'" in capsys.readouterr().err
    assert main(["run", str(model), "--tokens", "1", "--outputs", str(tmp_path)]) == 3
    assert "this is a folder" in capsys.readouterr().err


def test_a_folder_is_not_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in (["compile"], ["run", "--tokens", "1"], ["inspect"]):
        assert main([verb[0], str(tmp_path), *verb[1:]]) == 3
        assert "this is a folder, not a file" in capsys.readouterr().err


def test_an_array_without_a_name_is_no_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.zeros(4, np.float32))
    program = Path(__file__).parents[1] / "programs" / "double.tlir"
    assert main(["run", str(program), "--inputs", str(tmp_path / "x.npy")]) == 3
    assert "a single array without a name" in capsys.readouterr().err


def test_the_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "130 interrupted" in capsys.readouterr().out
