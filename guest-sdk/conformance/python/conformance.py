"""The conformance transform in Python: see guest-sdk/conformance/README.md."""

import logging
from dataclasses import dataclass

from edgemill_guest import TRACE, Outputs, Record, Reject, transform

LEVELS = {
    b"trace": TRACE,
    b"debug": logging.DEBUG,
    b"info": logging.INFO,
    b"warn": logging.WARNING,
    b"error": logging.ERROR,
}


@dataclass
class Config:
    """The configuration."""

    mark: str
    limit: int = 100

    def __post_init__(self) -> None:
        if self.limit <= 0:
            raise ValueError("limit must be above 0")


@transform
class Conformance:
    """The transform."""

    def __init__(self, config: Config | None) -> None:
        self.config = config or Config(mark="none")

    def transform(self, record: Record, out: Outputs) -> None:
        if record.value is None or not record.value.startswith(b"!"):
            return out.keep()
        word, rest = split(record.value[1:])
        match word:
            case b"keep":
                out.keep()
            case b"drop":
                pass
            case b"value":
                out.emit(value=rest)
            case b"null":
                out.emit(value=None)
            case b"key":
                out.emit(key=rest)
            case b"nokey":
                out.emit(key=None)
            case b"time":
                out.emit(timestamp=whole(rest))
            case b"header":
                out.emit(headers=[*record.headers, split(rest)])
            case b"nullheader":
                out.emit(headers=[*record.headers, (rest, None)])
            case b"unheader":
                out.emit(headers=[header for header in record.headers if header.name != text(rest)])
            case b"route":
                out.emit(route=text(rest))
            case b"twice":
                out.keep()
                out.emit(value="again")
            case b"many":
                self.many(whole(rest), out)
            case b"long":
                out.emit(value="x" * whole(rest))
            case b"all":
                out.emit(key="k", value=rest, timestamp=7, headers=[*record.headers, ("h", "v")], route="audit")
            case b"reject":
                raise rejected(rest)
            case b"late":
                out.keep()
                raise rejected(rest)
            case b"log":
                level, message = split(rest)
                if level not in LEVELS:
                    raise Reject("unknown-level", text(level))
                logging.log(LEVELS[level], "%s", text(message))
                out.keep()
            case b"tell":
                timestamp = "-" if record.timestamp is None else record.timestamp
                out.emit(value=f"{record.topic} {record.partition} {record.offset} {timestamp} {or_dash(record.key_text())}")
            case b"headers":
                out.emit(value=",".join(f"{header.name}={or_dash(header.text())}" for header in record.headers))
            case b"last":
                header = record.header(text(rest))
                if header is None:
                    raise Reject("no-header", f"there is no header {text(rest)}")
                out.emit(value=header.value)
            case b"mark":
                out.emit(value=self.config.mark)
            case b"trap":
                raise RuntimeError("as it was told")
            case b"loop":
                while True:
                    pass
            case b"grow":
                everything = []
                while True:
                    everything.append(bytearray(1 << 20))
            case _:
                raise Reject("unknown-command", text(word))

    def many(self, count: int, out: Outputs) -> None:
        if count > self.config.limit:
            raise Reject("too-many", f"{count} is over the limit of {self.config.limit}")
        for index in range(count):
            out.emit(value=str(index))


def split(data: bytes) -> tuple[bytes, bytes]:
    """What stands before the first space, and behind it."""
    before, _, behind = data.partition(b" ")
    return before, behind


def text(data: bytes) -> str:
    return data.decode(errors="replace")


def whole(data: bytes) -> int:
    try:
        return int(data)
    except ValueError as error:
        raise Reject("not-a-number", str(error)) from None


def or_dash(value: str | None) -> str:
    return "-" if value is None else value


def rejected(rest: bytes) -> Reject:
    code, message = split(rest)
    return Reject(text(code), text(message))
