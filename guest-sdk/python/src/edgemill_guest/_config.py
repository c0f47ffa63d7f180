"""Configurations read into types: dataclasses, and what their fields may be."""

import dataclasses
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_KINDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "an object"}


def read(wanted: Any, value: Any, path: str = "") -> Any:
    """The JSON value as the type; raises ``ValueError`` with what is wrong, and where."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if wanted is Any or wanted is object:
        return value
    if wanted is None or wanted is type(None):
        if value is not None:
            raise _wrong(path, "null", value)
        return None
    if origin in (Union, types.UnionType):
        return _one_of(arguments, value, path)
    if origin is Literal:
        if not any(value == choice and type(value) is type(choice) for choice in arguments):
            raise ValueError(f"{_named(path)} must be one of {', '.join(map(str, arguments))}")
        return value
    if dataclasses.is_dataclass(wanted):
        return _dataclass(wanted, {} if value is None and not path else value, path)
    if (origin or wanted) is list:
        if not isinstance(value, list):
            raise _wrong(path, "a list", value)
        each = arguments[0] if arguments else Any
        return [read(each, item, _join(path, index)) for index, item in enumerate(value)]
    if (origin or wanted) is dict:
        if not isinstance(value, dict):
            raise _wrong(path, "an object", value)
        each = arguments[1] if arguments else Any
        return {name: read(each, item, _join(path, name)) for name, item in value.items()}
    if wanted is float and type(value) is int:
        return float(value)
    if wanted in (str, bool, int, float):
        if type(value) is not wanted:
            raise _wrong(path, _KINDS[wanted], value)
        return value
    raise TypeError(f"{_named(path)}: a configuration cannot have the type {wanted}")


def _one_of(choices: tuple[Any, ...], value: Any, path: str) -> Any:
    if value is None and type(None) in choices:
        return None
    rest = [choice for choice in choices if choice is not type(None)]
    errors = []
    for choice in rest:
        try:
            return read(choice, value, path)
        except ValueError as error:
            errors.append(error)
    raise errors[0] if len(rest) == 1 else ValueError("; or ".join(map(str, errors)))


def _dataclass(wanted: Any, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(path, "an object", value)
    hints = get_type_hints(wanted)
    fields = {field.name: field for field in dataclasses.fields(wanted) if field.init}
    for name in value:
        if name not in fields:
            raise ValueError(f"{_named(path)} has a field that nobody knows: {name}")
    for name, field in fields.items():
        if name not in value and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{_named(path)} has no {name}")
    return wanted(**{name: read(hints[name], item, _join(path, name)) for name, item in value.items()})


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _named(path: str) -> str:
    return path or "the configuration"


def _wrong(path: str, wanted: str, value: Any) -> ValueError:
    return ValueError(f"{_named(path)} must be {wanted}, not {_KINDS.get(type(value), 'null')}")
