"""What becomes of records."""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Final, Literal, TypeAlias

from ._columns import Given, Item
from ._record import Header, Record, Reject

Data: TypeAlias = bytes | bytearray | memoryview | str
"""Bytes, or text that becomes UTF-8."""

HeaderLike: TypeAlias = Header | tuple[str | bytes, Data | None]


class Keep(Enum):
    """What stays as the record has it."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


class Outputs:
    """Where a transform puts what becomes of a record. A record that leaves nothing here is dropped on purpose."""

    __slots__ = ("_headers", "_index", "_keys", "_origins", "_record", "_records", "_rejects", "_route_numbers", "_routes", "_timestamps", "_values")

    def __init__(self, records: Sequence[Record]) -> None:
        """For the SDK: the outputs of these records."""
        self._records = records
        self._index = 0
        self._origins: list[int] = []
        # a column is None until an output sets it: the host keeps what the origins had
        self._timestamps: list[int] | None = None
        self._keys: list[Item] | None = None
        self._values: list[Item] | None = None
        self._headers: list[Sequence[tuple[bytes, Item]]] | None = None
        self._routes: list[int] | None = None
        self._route_numbers: dict[str, int] = {}
        self._rejects: list[tuple[int, str, str]] = []

    def keep(self) -> None:
        """Lets the record pass as it is. A transform that does only this moves no bytes."""
        self.emit()

    def emit(
        self,
        *,
        key: Data | None | Literal[Keep.KEEP] = KEEP,
        value: Data | None | Literal[Keep.KEEP] = KEEP,
        timestamp: int | Literal[Keep.KEEP] = KEEP,
        headers: Iterable[HeaderLike] | Literal[Keep.KEEP] = KEEP,
        route: str | None = None,
    ) -> None:
        """Gives an output: the record with what is set here. As often as you like.

        ``None`` for a key or a value is Kafka's null. ``timestamp`` is in milliseconds since 1970-01-01 UTC. ``headers``
        are all headers: ``[*record.headers, ("name", "value")]`` adds one. ``route`` is a topic that the pipeline's sink
        declares.
        """
        origins = self._origins
        record = self._records[self._index]
        # first all that can fail, so that whoever catches it has no half an output
        if key is not KEEP and type(key) is not bytes:
            key = _item(key)
        if value is not KEEP and type(value) is not bytes:
            value = _item(value)
        if timestamp is not KEEP and not -(1 << 63) <= timestamp < 1 << 63:
            raise OverflowError(f"a timestamp of more than 64 bits: {timestamp}")
        pairs = None if headers is KEEP else _pairs(headers)
        number = 0 if route is None else self._route_number(route)

        if key is not KEEP:
            if self._keys is None:
                self._keys = [self._records[origin].key for origin in origins]
            self._keys.append(key)
        elif self._keys is not None:
            self._keys.append(record.key)
        if value is not KEEP:
            if self._values is None:
                self._values = [self._records[origin].value for origin in origins]
            self._values.append(value)
        elif self._values is not None:
            self._values.append(record.value)
        if timestamp is not KEEP:
            if self._timestamps is None:
                self._timestamps = [_timestamp(self._records[origin]) for origin in origins]
            self._timestamps.append(timestamp)
        elif self._timestamps is not None:
            self._timestamps.append(_timestamp(record))
        if pairs is not None:
            if self._headers is None:
                self._headers = [_pairs(self._records[origin].headers) for origin in origins]
            self._headers.append(pairs)
        elif self._headers is not None:
            self._headers.append(_pairs(record.headers))
        if number:
            if self._routes is None:
                self._routes = [0] * len(origins)
            self._routes.append(number)
        elif self._routes is not None:
            self._routes.append(0)
        origins.append(self._index)

    def _route_number(self, name: str) -> int:
        number = self._route_numbers.get(name)
        if number is None:
            if not isinstance(name, str):
                raise TypeError(f"a route is a str, not {type(name).__name__}")
            number = len(self._route_numbers) + 1
            if number > 0xFFFF:
                raise OverflowError("more than 65535 routes in one batch")
            self._route_numbers[name] = number
        return number

    def _truncate(self, count: int) -> None:
        """Forgets all outputs but the first ``count``."""
        for column in (self._origins, self._timestamps, self._keys, self._values, self._headers, self._routes):
            if column is not None:
                del column[count:]

    def _run(self, apply: Callable[[Record, "Outputs"], None]) -> Given:
        """Passes every record to ``apply``."""
        for index, record in enumerate(self._records):
            self._index = index
            before = len(self._origins)
            try:
                result: object = apply(record, self)  # type: ignore[func-returns-value]
            except Reject as reject:
                self._truncate(before)
                self._rejects.append((index, str(reject.code), str(reject.message)))
            else:
                if result is not None:
                    raise TypeError(f"a transform gives its outputs to `out` and returns nothing, not a {type(result).__name__}")
        return Given(
            self._origins,
            self._timestamps,
            self._keys,
            self._values,
            self._headers,
            self._routes or [],
            list(self._route_numbers),
            self._rejects,
        )


def _timestamp(record: Record) -> int:
    return -1 if record.timestamp is None else record.timestamp


def _item(data: Data | None) -> Item:
    if data is None or type(data) is bytes:
        return data
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"expected bytes, str or None, not {type(data).__name__}")


def _pairs(headers: Iterable[HeaderLike]) -> Sequence[tuple[bytes, Item]]:
    pairs = []
    for name, value in headers:
        if isinstance(name, str):
            name = name.encode("utf-8", "surrogateescape")
        elif type(name) is not bytes:
            raise TypeError(f"the name of a header is a str or bytes, not {type(name).__name__}")
        pairs.append((name, _item(value)))
    return pairs
