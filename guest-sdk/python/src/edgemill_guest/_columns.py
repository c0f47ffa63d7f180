"""The contract's shapes, guest-sdk/wit/transform.wit, and batches read from them.

The classes stand for those that componentize-py generates: only the names of their fields matter.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice, repeat
from typing import NamedTuple, Protocol, TypeAlias

from ._record import Header, Record

Item: TypeAlias = bytes | None


class AnyColumn(Protocol):
    """Byte strings laid end to end; a length of -1 is null."""

    data: bytes
    lengths: Sequence[int]


class AnyHeaders(Protocol):
    """The headers of n records: record i has the next ``counts[i]``. Empty where no record has any."""

    counts: Sequence[int]
    names: AnyColumn
    values: AnyColumn


class AnyBatch(Protocol):
    """n records of one partition."""

    topic: str
    partition: int
    offsets: Sequence[int]
    timestamps: Sequence[int]
    keys: AnyColumn
    values: AnyColumn
    headers: AnyHeaders


class Given(NamedTuple):
    """What a call gives back. None in a column: every output keeps what its origin had."""

    origins: list[int]
    timestamps: list[int] | None
    keys: list[Item] | None
    values: list[Item] | None
    headers: list[Sequence[tuple[bytes, Item]]] | None
    routes: list[int]
    route_names: list[str]
    rejects: list[tuple[int, str, str]]


def split(column: AnyColumn) -> list[Item]:
    """The items of a column."""
    data, at = column.data, 0
    items: list[Item] = []
    for length in column.lengths:
        if length < 0:
            items.append(None)
        else:
            items.append(data[at : at + length])
            at += length
    return items


def join(items: Sequence[Item]) -> tuple[bytes, list[int]]:
    """The data and the lengths of a column of these items."""
    if None in items:
        return b"".join([item for item in items if item is not None]), [-1 if item is None else len(item) for item in items]
    return b"".join(items), list(map(len, items))  # type: ignore[arg-type]


def records(batch: AnyBatch) -> list[Record]:
    """The records of a batch. All is done by loops of the interpreter's own: they are a fifth of the cost of Python's."""
    count = len(batch.offsets)
    timestamps: Iterable[int | None] = batch.timestamps
    if -1 in batch.timestamps:
        timestamps = [None if timestamp == -1 else timestamp for timestamp in batch.timestamps]
    headers = _headers(batch.headers) if batch.headers.counts else repeat((), count)
    fields = zip(
        repeat(batch.topic, count),
        repeat(batch.partition, count),
        batch.offsets,
        timestamps,
        split(batch.keys),
        split(batch.values),
        headers,
    )
    return list(map(partial(tuple.__new__, Record), fields))


def _headers(headers: AnyHeaders) -> Iterator[tuple[Header, ...]]:
    names = [str(name or b"", "utf-8", "surrogateescape") for name in split(headers.names)]
    pairs = map(Header, names, split(headers.values))
    return (tuple(islice(pairs, count)) for count in headers.counts)
