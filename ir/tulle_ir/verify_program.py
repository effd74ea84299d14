"""The verifier of programs. What it holds true, each with the module that checks it (`tulle_ir.verify`):

names      1. Names are unique: classes, routes, streams and symbols in the program; buffers and tables, registers,
              queues and tasks in a class. A PE has at most `registers` registers; immediates fit in 32 bits.
grids      2. The mesh fits the target (unless it is of any size); symbols lie on the mesh.
           3. Classes lie on the mesh and do not overlap: a PE belongs to at most one.
memory     4. Buffers and tables lie inside the class's SRAM, do not overlap and begin at multiples of 4.
           5. SRAM and code (instructions x `instruction_bytes`, unless a buffer holds the code) fit `sram_bytes`.
data       6. Tensors that are named exist, with the type and shape of their use; tables are well formed. What a symbol
              says of features lies in its region.
code       7. Names in code resolve; microthreads exist; offsets have at most two register terms.
           8. The body of a loop or while has an instruction that costs a slot.
vectors    9. Vector operations have their number of sources; at most one source is a queue, and it is an input;
              a destination queue is an output; `async` needs a queue; operands beside a queue have its type;
              i32 admits only mov; u16 is for load, store and tables; AXPY works on f16 and f32; what is sparse
              carries f16, and a sparse destination takes rows of one element.
reach     10. Rows of an AXPY's table stay inside y. (warning: other constant views stay inside their buffers)
          11. (warning) The reads of an AXPY in a loop do not certainly conflict on a bank.
fabric    12. Colors are below `usable_colors`; paths stay on the mesh and end towards the host only at its edge.
          13. A router has one input per color, never among the outputs; every output is taken and every input fed,
              so every net reaches its sinks.
          14. A PE hears and sends at most as many colors as it has queues; queue indices exist and are used once per
              direction, and so are colors.
          15. An input queue's color comes down the ramp at every PE of the class, an output queue's goes up; whatever
              comes down or goes up has a queue.
hosts     16. Host ports lie at the edge, once each, where a route takes or hands over their color; the features of an
              output come out once. (warning: an edge that no stream serves)
replicas  17. Copies lie on the mesh, in boxes that do not overlap; edges where routes lead to the host stay edges;
              streams have sequences to deal. So what holds of the first copy holds of all, and only that is looked at.
liveness  18. (warning) Something starts every task, unblocks blocked ones, and uses every queue.

What cannot be proved before the run - that bounds given by registers hold, that no cycle of waits forms - the engines
catch: a fault or a deadlock is reported with PE, task and cycle. Nothing here walks over PEs in Python.
"""

from __future__ import annotations

from tulle_ir.program import Program
from tulle_ir.progress import steps
from tulle_ir.target import Target
from tulle_ir.text.places import Places
from tulle_ir.verify.code import check_code
from tulle_ir.verify.data import check_data, check_symbol
from tulle_ir.verify.fabric import check_fabric
from tulle_ir.verify.findings import Finding, Findings, Severity, refuse_errors
from tulle_ir.verify.grids import check_mesh, owners
from tulle_ir.verify.hosts import check_hosts
from tulle_ir.verify.liveness import check_liveness
from tulle_ir.verify.memory import check_memory
from tulle_ir.verify.names import check_class_names, check_program_names
from tulle_ir.verify.reach import check_banks, check_reach
from tulle_ir.verify.replicas import check_replicas
from tulle_ir.verify.scope import Scope, scope_of


def verify_program(program: Program, target: Target, places: Places | None = None) -> list[Finding]:
    """All findings; `places` (from `parse_with_places`) gives them file:line:col."""
    findings = Findings(program, places)
    check_program_names(program, findings)
    mesh_is_sound = check_mesh(program, target, findings)
    for symbol in program.symbols:
        check_symbol(symbol, program, findings)
    for of in steps("verify", program.classes, "classes"):
        _check_class(scope_of(program, of), program, target, findings)
    if mesh_is_sound:
        entries = check_fabric(program, target, owners(program, findings), findings)
        check_hosts(program, entries, findings)
        check_replicas(program, entries, findings)
    return findings.found


def _check_class(scope: Scope, program: Program, target: Target, findings: Findings) -> None:
    before = len(findings.found)
    check_class_names(scope, target, findings)
    check_memory(scope, target, findings)
    check_data(scope, program, findings)
    check_code(scope, target, findings)
    if not any(finding.severity is Severity.ERROR for finding in findings.found[before:]):
        check_reach(scope, program, findings)  # these three rely on names, types and tables being right
        check_banks(scope, target, findings)
        check_liveness(scope, findings)


def require_valid(program: Program, target: Target, places: Places | None = None) -> list[Finding]:
    """The warnings of a program without errors. Raises BadInput with the errors (the first 20) otherwise."""
    return refuse_errors(verify_program(program, target, places), "the program")
