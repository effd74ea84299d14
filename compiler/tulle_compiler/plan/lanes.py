"""Lane classes: streams that must be cut alike, because a strip passes them through or a kernel shares them.

A class is a set of outputs (stage, port) with one width and one partition.
"""

from __future__ import annotations

from dataclasses import dataclass

from tulle_compiler.plan.lower import Stage


@dataclass(frozen=True)
class LaneClasses:
    """`output[stage]` is the class of a stage's outputs, `source[stage]` that of its (first) input, -1 if none.

    `width[c]`: features.
    """

    output: list[int]
    source: list[int]
    width: list[int]
    reads: list[int]  # attention stage that reads the class, or -1
    makes: list[int]  # attention stage that makes the class, or -1


def lane_classes(stages: list[Stage]) -> LaneClasses:
    """Classes of all streams: a strip's inputs and outputs belong together."""
    parent = list(range(len(stages)))

    def find(a: int) -> int:
        while parent[a] != a:
            a = parent[a]
        return a

    for index, stage in enumerate(stages):
        if stage.kind == "strip":
            for _, wire in stage.inputs:
                parent[find(wire.producer)] = find(index)
    roots = sorted({find(i) for i in range(len(stages))})
    number = {root: c for c, root in enumerate(roots)}
    output = [number[find(i)] for i in range(len(stages))]
    source = [output[stage.inputs[0][1].producer] if stage.inputs else -1 for stage in stages]
    width, reads, makes = [0] * len(roots), [-1] * len(roots), [-1] * len(roots)
    for index, stage in enumerate(stages):
        width[output[index]] = max(width[output[index]], stage.width)
        if stage.kind == "attention":
            reads[source[index]] = index
            makes[output[index]] = index
    return LaneClasses(output, source, width, reads, makes)


def is_free(classes: LaneClasses, c: int) -> bool:
    """Whether the cut of a class is not dictated by an attention."""
    return classes.reads[c] < 0 and classes.makes[c] < 0
