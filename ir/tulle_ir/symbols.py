"""What the symbols of a program say of its PEs, for reports and for readers."""

from __future__ import annotations

import numpy as np

from tulle_ir.program import Program, Symbol


def block_of(symbol: Symbol, x: int, y: int, program: Program) -> tuple[str, str]:
    """The input and output features of the symbol's matrix that PE (x, y) of its region holds, as `0-3, 7`; "" for
    none, or where the symbol does not say."""
    column, row = x - symbol.region[0], y - symbol.region[1]
    inputs, outputs = (
        ranges(features_at(program.tensors[places], column, row)) if places else ""
        for places in (symbol.inputs, symbol.outputs)
    )
    return inputs, outputs


def features_at(places: np.ndarray, column: int, row: int) -> np.ndarray:
    """The features held at a column and row of a region, ascending; `places`: i32 [features, 3], see `Symbol`."""
    here = ((places[:, 1:] == -1) | (places[:, 1:] == (column, row))).all(axis=1)
    return np.sort(places[here, 0])


def ranges(numbers: np.ndarray) -> str:
    """Ascending numbers as `0-3, 7`."""
    runs = np.split(numbers, 1 + np.flatnonzero(np.diff(numbers) != 1)) if len(numbers) else []
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
