"""The reader of all stages, put together from one per stage."""

from __future__ import annotations

from tulle_ir.text.graph_reader import GraphReader
from tulle_ir.text.mapping_reader import MappingReader
from tulle_ir.text.program_reader import ProgramReader


class StageReader(ProgramReader, MappingReader, GraphReader):
    """Knows every rule of the grammar."""
