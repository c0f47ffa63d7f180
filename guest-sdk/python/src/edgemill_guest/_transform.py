"""Transforms: how they are declared, and made of their configuration."""

import inspect
import json
import logging
import traceback
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypeVar, get_type_hints

from . import _config
from ._columns import AnyBatch, Given, records
from ._outputs import Outputs
from ._record import Record

TRACE = 5
"""Below ``logging.DEBUG``: the host's log has a level more than Python's."""

logging.addLevelName(TRACE, "TRACE")

Apply: TypeAlias = Callable[[Record, Outputs], None]

_MARK = "__edgemill_transform__"


class Transform(Protocol):
    """A transform with a configuration, or with something to remember."""

    def transform(self, record: Record, out: Outputs, /) -> None:
        """Turns one record into any number of outputs."""


T = TypeVar("T", bound=Apply | type[Transform])


def transform(declared: T) -> T:
    """Declares a module's transform: a function of a record and outputs, or a class with a method ``transform``.

    A class is made once, before any record. Its ``__init__`` may take the configuration: the type of that parameter, a
    dataclass or what JSON has, says what it must be. Raising refuses the module; the message is shown to whoever deploys it.
    """
    if inspect.isclass(declared) and not callable(getattr(declared, "transform", None)):
        raise TypeError(f"{declared.__name__} has no method `transform`")
    setattr(declared, _MARK, True)
    return declared


def declared_in(module: Any) -> Any:
    """The one transform that a module declares."""
    found = [item for item in vars(module).values() if getattr(item, _MARK, False) and item.__module__ == module.__name__]
    if len(found) != 1:
        names = ", ".join(item.__name__ for item in found) or "none"
        raise TypeError(f"{module.__name__} must declare one transform with @transform, and declares {names}")
    return found[0]


class Refused(Exception):
    """A configuration that a transform refuses."""


class Door:
    """What the host calls."""

    def __init__(self, declared: Any) -> None:
        self._declared = declared
        self._apply: Apply | None = None

    def configure(self, config: str) -> None:
        """Makes the transform of its configuration; raises ``Refused``."""
        try:
            self._apply = make(self._declared, json.loads(config))
        except ValueError as error:
            raise Refused(str(error)) from error
        except Exception as error:
            raise Refused(f"{type(error).__name__}: {error}") from error

    def transform(self, batch: AnyBatch) -> Given:
        """Transforms a batch."""
        if self._apply is None:
            raise Refused("transform was called before configure")
        try:
            return Outputs(records(batch))._run(self._apply)
        except Exception as error:
            # what nobody caught is a fault: the host tells the last error that was logged
            logging.getLogger("edgemill_guest").error("%s", _described(error))
            raise


def make(declared: Any, config: Any) -> Apply:
    """The transform, made of its configuration."""
    if not inspect.isclass(declared):
        if config is not None:
            raise ValueError("this module takes no configuration")
        apply: Apply = declared
        return apply
    parameters = [] if declared.__init__ is object.__init__ else list(inspect.signature(declared).parameters)
    if not parameters:
        if config is not None:
            raise ValueError("this module takes no configuration")
        made = declared()
    else:
        wanted = get_type_hints(declared.__init__).get(parameters[0], Any)
        made = declared(_config.read(wanted, config))
    bound: Apply = made.transform
    return bound


def _described(error: Exception) -> str:
    """The error first, because logs cut long messages, then its places, the innermost first."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    own = [frame for frame in frames if "edgemill_guest" not in frame.filename]
    places = [f"at {frame.filename.rpartition('/')[2]}:{frame.lineno} in {frame.name}" for frame in own]
    return "\n".join(["".join(traceback.format_exception_only(error)).strip(), *places])
