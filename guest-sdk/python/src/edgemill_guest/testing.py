"""Runs a transform without Wasm, in an ordinary test: records in, outputs and rejects out. Use ``assertLogs`` for its log.

The records go through the same columns as in the host.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from ._columns import Given, Item, join, records
from ._outputs import Data, HeaderLike, Outputs, _item, _pairs
from ._transform import make


@dataclass(kw_only=True)
class Input:
    """A record to feed."""

    value: Data | None = None
    key: Data | None = None
    headers: Sequence[HeaderLike] = ()
    timestamp: int | None = None


@dataclass
class Output:
    """What a transform gave."""

    origin: int
    """Index of the input record."""
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    timestamp: int | None
    route: str | None
    """The topic it was routed to."""


@dataclass
class Rejected:
    """A record that the transform refused."""

    origin: int
    code: str
    message: str


@dataclass
class Results:
    """What became of a batch."""

    outputs: list[Output] = field(default_factory=list)
    rejects: list[Rejected] = field(default_factory=list)

    @property
    def texts(self) -> list[str | None]:
        """The values of all outputs as text."""
        return [None if output.value is None else output.value.decode(errors="replace") for output in self.outputs]

    @property
    def codes(self) -> list[str]:
        """The codes of all rejects."""
        return [reject.code for reject in self.rejects]


class Harness:
    """A configured transform. Raises ``ValueError`` where it refuses its configuration."""

    def __init__(self, transform: Any, config: Any = None, *, topic: str = "topic", partition: int = 0) -> None:
        self._apply = make(transform, config)
        self._topic = topic
        self._partition = partition
        self._next_offset = 0

    def run(self, *inputs: Input | Data) -> Results:
        """Passes the records, or values, through the transform as one batch. Offsets count on from call to call."""
        fed = [given if isinstance(given, Input) else Input(value=given) for given in inputs]
        headers = [_pairs(given.headers) for given in fed]
        pairs = [pair for each in headers for pair in each]
        batch = SimpleNamespace(
            topic=self._topic,
            partition=self._partition,
            offsets=list(range(self._next_offset, self._next_offset + len(fed))),
            timestamps=[-1 if given.timestamp is None else given.timestamp for given in fed],
            keys=_column(_item(given.key) for given in fed),
            values=_column(_item(given.value) for given in fed),
            headers=SimpleNamespace(
                counts=list(map(len, headers)) if pairs else [],
                names=_column(name for name, _ in pairs),
                values=_column(value for _, value in pairs),
            ),
        )
        self._next_offset += len(fed)
        given = Outputs(records(batch))._run(self._apply)
        return Results(_outputs(given, fed), [Rejected(*reject) for reject in given.rejects])


def _column(items: Iterable[Item]) -> SimpleNamespace:
    data, lengths = join(list(items))
    return SimpleNamespace(data=data, lengths=lengths)


def _outputs(given: Given, fed: list[Input]) -> list[Output]:
    """The outputs one by one: columns that are not there keep what the origins had."""
    outputs = []
    for index, origin in enumerate(given.origins):
        from_ = fed[origin]
        headers = _pairs(from_.headers) if given.headers is None else given.headers[index]
        timestamp = from_.timestamp if given.timestamps is None else given.timestamps[index]
        number = given.routes[index] if given.routes else 0
        outputs.append(
            Output(
                origin=origin,
                key=_item(from_.key) if given.keys is None else given.keys[index],
                value=_item(from_.value) if given.values is None else given.values[index],
                headers=[(name.decode("utf-8", "surrogateescape"), value) for name, value in headers],
                timestamp=None if timestamp == -1 else timestamp,
                route=given.route_names[number - 1] if number else None,
            )
        )
    return outputs
