"""The component door: `edgemill:transform/transformer@1.0.0` over what componentize-py generates. Only there in a module."""

import logging
import sys
from typing import Any

from componentize_py_types import Err
from wit_world.imports import log, types

from ._columns import Given, join
from ._transform import Door, Refused, declared_in

_LEVELS = ((logging.ERROR, log.Level.ERROR), (logging.WARNING, log.Level.WARN), (logging.INFO, log.Level.INFO), (logging.DEBUG, log.Level.DEBUG))


class _Handler(logging.Handler):
    """Sends messages of `logging` to the host's log, which counts and limits them."""

    def emit(self, record: logging.LogRecord) -> None:
        level = next((level for least, level in _LEVELS if record.levelno >= least), log.Level.TRACE)
        log.log(level, self.format(record))


class _Lines:
    """Standard output: line by line into the host's log."""

    encoding = "utf-8"

    def __init__(self, level: log.Level) -> None:
        self._level = level
        self._unfinished = ""

    def write(self, text: str) -> int:
        *lines, self._unfinished = (self._unfinished + text).split("\n")
        for line in filter(None, lines):
            log.log(self._level, line)
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


def transformer(source: Any) -> type:
    """The class that the world exports, around the transform of a module."""
    door = Door(declared_in(source))

    class Transformer:
        def configure(self, config: str) -> None:
            logging.basicConfig(level=1, handlers=[_Handler()], format="%(message)s", force=True)
            sys.stdout, sys.stderr = _Lines(log.Level.INFO), _Lines(log.Level.WARN)
            try:
                door.configure(config)
            except Refused as refusal:
                raise Err(str(refusal)) from None

        def transform(self, batch: types.Batch) -> types.Outputs:
            try:
                return _outputs(door.transform(batch))
            except Refused as refusal:
                raise Err(str(refusal)) from None

    return Transformer


def _outputs(given: Given) -> types.Outputs:
    headers = None
    if given.headers is not None:
        names = [name for pairs in given.headers for name, _ in pairs]
        values = [value for pairs in given.headers for _, value in pairs]
        headers = types.Headers(list(map(len, given.headers)), types.Column(*join(names)), types.Column(*join(values)))
    return types.Outputs(
        origins=given.origins,
        timestamps=given.timestamps,
        keys=None if given.keys is None else types.Column(*join(given.keys)),
        values=None if given.values is None else types.Column(*join(given.values)),
        headers=headers,
        routes=given.routes,
        route_names=given.route_names,
        rejects=[types.Reject(*reject) for reject in given.rejects],
    )
