"""Write Edgemill transforms in Python: a transform is a function over one record at a time.

    from edgemill_guest import Outputs, Record, transform

    @transform
    def shout(record: Record, out: Outputs) -> None:
        text = record.text()
        if text is None:
            out.keep()
        else:
            out.emit(value=text.upper())

A record that leaves no output is dropped on purpose, a ``Reject`` refuses it, any other exception is a fault. What is
not set on an output stays as the record has it. The host may give the same record again after a fault, so a transform
must not mind. docs/guests/python.md goes from nothing to a running transform.
"""

from ._outputs import Outputs
from ._record import Header, Record, Reject
from ._transform import TRACE, transform

__all__ = ["TRACE", "Header", "Outputs", "Record", "Reject", "transform"]
