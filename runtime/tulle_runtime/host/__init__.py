"""The host side of a run: arrays to wavelets and back, per `HostStream` (docs/machine.md, sections 3 and 6).

The host moves data only; it does no arithmetic on activations.
"""

from tulle_runtime.host.chunking import Chunking
from tulle_runtime.host.decode import StreamError, decode
from tulle_runtime.host.encode import encode

__all__ = ["Chunking", "StreamError", "decode", "encode"]
