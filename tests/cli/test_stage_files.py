"""`tulle inspect` and `tulle run` on texts of the stages before the program."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tulle.__main__ import main
from tulle_ir.artifact import write_stage_text
from tulle_ir.graph_build import GraphBuilder
from tulle_ir.text import print_stage


@pytest.fixture
def graph_text(tmp_path: Path) -> tuple[Path, str]:
    """A graph's file and its text."""
    builder = GraphBuilder.features(5)
    graph = builder.build(builder.linear("in", np.eye(5, dtype=np.float32)))
    path = tmp_path / "model.graph.tlir"
    write_stage_text(path, graph)
    return path, print_stage(graph)


def test_inspect_shows_the_text(graph_text: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    path, text = graph_text
    assert main(["inspect", str(path)]) == 0
    assert capsys.readouterr().out == text


def test_inspect_as_json(graph_text: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    path, text = graph_text
    assert main(["inspect", str(path), "--level", "graph", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"level": "graph", "text": text}


def test_another_level_is_not_there(graph_text: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(graph_text[0]), "--level", "plan"]) == 2
    assert "the text holds the stage 'graph' only" in capsys.readouterr().err


def test_only_programs_run(graph_text: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(graph_text[0])]) == 3
    assert "this is an earlier stage, not a program" in capsys.readouterr().err


def test_weights_beside_the_text_are_needed(graph_text: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    graph_text[0].with_suffix(".safetensors").unlink()
    assert main(["inspect", str(graph_text[0])]) == 3
    assert "has no values" in capsys.readouterr().err
