"""Builds a `Program` while the text is parsed (inline LALR transformer)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from lark import Token, v_args

from tulle_ir.program import HostStream, Program, ProgramClass, Protocol, Replicas, Route, Symbol
from tulle_ir.tensors import Layered
from tulle_ir.text.array_reader import ArrayReader, check_stored
from tulle_ir.text.class_reader import all_of
from tulle_ir.text.fabric_reader import size_of
from tulle_ir.text.likeness import Likeness, members
from tulle_ir.text.reader import error
from tulle_ir.text.tensor_text import array_of, numpy_dtype


@dataclass(frozen=True, slots=True)
class Declared:
    """A tensor that the text declares; without values it lies in the store beside it."""

    name: str
    values: np.ndarray | None


class ProgramReader(ArrayReader):
    """Methods are named after the grammar's rules."""

    def program(self, keyword: Token, name: Token, target: Token, mesh: Token, *items: object) -> Program:
        protocols, replicas = all_of(Protocol, items), all_of(Replicas, items)
        for what, found in (("protocol", protocols), ("number of replicas", replicas)):
            if len(found) > 1:
                raise error(f"a program has at most one {what}", keyword)
        program = Program(
            target=str(target),
            mesh=size_of(mesh),
            name=str(name),
            symbols=all_of(Symbol, items),
            routes=all_of(Route, items),
            classes=self._classes(items),
            streams=all_of(HostStream, items),
            protocol=protocols[0] if protocols else None,
            replicas=replicas[0] if replicas else Replicas(),
            tensors=self._tensors(all_of(Declared, items)),
        )
        return self.put(keyword, program)

    def protocol(
        self, keyword: Token, chunk: int, context: int | None, vocab: int | None, last: Token | None
    ) -> Protocol:
        return self.put(keyword, Protocol(chunk, context or 0, vocab or 0, last is not None))

    def replicas(self, keyword: Token, count: int, step: tuple[int, int]) -> Replicas:
        return self.put(keyword, Replicas(count, *step))

    def symbol(self, keyword: Token, name: Token, region: tuple[int, int, int, int], *named: Token | None) -> Symbol:
        return self.put(keyword, Symbol(str(name), region, *(str(text or "") for text in named)))

    def _classes(self, items: tuple[object, ...]) -> tuple[ProgramClass, ...]:
        """The classes in order; each may be like one before it."""
        known: dict[str, ProgramClass] = {}
        classes: list[ProgramClass] = []
        for item in items:
            if isinstance(item, Likeness):
                if item.model not in known:
                    raise error(f"no class '{item.model}' stands before this one", item.model)
                item = self._placed(item, item.of(known[item.model]))
            if isinstance(item, ProgramClass):
                known.setdefault(item.name, item)
                classes.append(item)
        return tuple(classes)

    def _placed(self, likeness: Likeness, of: ProgramClass) -> ProgramClass:
        """Members that the text does not show stand where their class does."""
        for member in (*members(of), *of.queues):
            if not self.places.of(member):
                self.put(likeness.keyword, member)
        return self.put(likeness.keyword, of)

    # ---- tensors ----

    def tensor(
        self, keyword: Token, name: Token, dtype: Token, shape: tuple[int, ...] | None, values: tuple[float, ...] | None
    ) -> Declared:
        self.places.put_tensor(name, keyword.line or 1, keyword.column or 1)
        try:
            kind = numpy_dtype(dtype)
            array = None if values is None else array_of(values, kind, shape or ())
        except (ValueError, TypeError, OverflowError) as reason:
            raise error(f"tensor '{name}': {reason}", keyword) from None
        if array is None:
            check_stored(self.beside, name, kind, shape or ())
        return Declared(str(name), array)

    def _tensors(self, declared: tuple[Declared, ...]) -> Mapping[str, np.ndarray]:
        inline = {tensor.name: tensor.values for tensor in declared if tensor.values is not None}
        beside = frozenset(tensor.name for tensor in declared if tensor.values is None)
        return Layered(inline, self.beside, beside) if beside else inline


v_args(inline=True)(ProgramReader)  # lark passes the children as arguments
