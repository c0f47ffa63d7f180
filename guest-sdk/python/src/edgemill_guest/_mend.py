"""Mends two leaks of componentize-py 0.25, by putting a function of its modules behind one of ours.

It never frees a ``list<u8>`` that a call gave back: ``maybe_pop_list`` copies the bytes into memory that nobody owns, so a
module would grow by every byte of its outputs. After a call the host calls the module's post-return function with the
place of the results: ours frees those lists first. The offsets are those of ``outputs`` in transform.wit, by the
canonical ABI.

It allocates some bytes for every other list that is empty, of parameters and of results, and frees lists only that are
not: a call with one record would leave some 160 bytes. Our ``cabi_realloc`` gives an empty list no memory, but an
address that is none. Bytes and strings have theirs still, for what takes them frees it.
"""

from collections.abc import Callable, Iterator

_POST_RETURN = b"cabi_post_edgemill:transform/transformer@1.0.0#transform"
_FREE = b"wit_dylib_dealloc_bytes"
_ALLOCATE = b"cabi_realloc"

# the flags of the columns that are optional, and where the place of each list of bytes stands
_COLUMNS = {24: (28,), 44: (48,), 64: (76, 92)}

_CORE_MODULE = 1
_IMPORTS, _FUNCTIONS, _EXPORTS, _CODE = 2, 3, 7, 10


class Unknown(Exception):
    """The component is not as this version of componentize-py makes them."""


def mended(component: bytes) -> bytes:
    """The component without the leaks. Raises ``Unknown``."""
    parts, found = [component[:8]], {_POST_RETURN: 0, _ALLOCATE: 0}
    for kind, content in _sections(component):
        if kind == _CORE_MODULE:
            exports = _exports(content)
            if _POST_RETURN in exports:
                free = _imported_functions(_part(content, _IMPORTS))[1].get(_FREE)
                if free is None:
                    raise Unknown(f"it does not import {_FREE.decode()}")
                content = _behind(content, _POST_RETURN, lambda replaced: _freeing(free, replaced))
                found[_POST_RETURN] += 1
            # the runtime: other modules have functions of this name too, which no list comes by
            elif _ALLOCATE in exports and _FREE in exports:
                content = _behind(content, _ALLOCATE, _allocating)
                found[_ALLOCATE] += 1
        parts.append(_section(kind, content))
    for name, modules in found.items():
        if modules != 1:
            raise Unknown(f"{modules} of its core modules have the function {name.decode()}")
    return b"".join(parts)


def _behind(module: bytes, name: bytes, body_of: Callable[[int], bytes]) -> bytes:
    """The module with the exported function replaced by one with this body, which is told where the function was."""
    sections = list(_sections(module))
    content = dict(sections)
    imported = _imported_functions(content.get(_IMPORTS, b"\0"))[0]
    functions = _Reader(content[_FUNCTIONS])
    types = [functions.number() for _ in range(functions.number())]
    replaced = _exports(module)[name]
    code = _Reader(content[_CODE])
    bodies = code.number()
    body = body_of(replaced)
    changed = {
        _FUNCTIONS: _number(len(types) + 1) + b"".join(map(_number, [*types, types[replaced - imported]])),
        _EXPORTS: _redirected(content[_EXPORTS], name, imported + len(types)),
        _CODE: _number(bodies + 1) + code.rest() + _number(len(body)) + body,
    }
    return module[:8] + b"".join(_section(kind, changed.get(kind, old)) for kind, old in sections)


def _allocating(replaced: int) -> bytes:
    """Gives the alignment as the address of nothing, where it is above 1; otherwise goes on as before."""
    nothing = b"\x20\x03\x45\x20\x02\x41\x01\x4b\x71"
    as_before = b"\x20\x00\x20\x01\x20\x02\x20\x03\x10" + _number(replaced)
    return b"\x00" + nothing + b"\x04\x7f\x20\x02\x05" + as_before + b"\x0b\x0b"


def _freeing(free: int, replaced: int) -> bytes:
    """Where the call did not fail, frees each list that is there; then goes on as before."""
    block, end, leave, unless = b"\x02\x40", b"\x0b", b"\x0d\x00", b"\x45\x0d\x00"
    result = b"\x20\x00"

    def flag(offset: int) -> bytes:
        return result + b"\x2d\x00" + _number(offset)

    def word(offset: int) -> bytes:
        return result + b"\x28\x02" + _number(offset)

    body = b"\x00" + block + flag(0) + leave
    for present, places in _COLUMNS.items():
        body += block + flag(present) + unless
        for place in places:
            # a place below 16 is no memory, but stands for an empty list
            body += block + word(place) + b"\x41\x10\x49" + leave
            body += b"\x41\x00" + word(place) + word(place + 4) + b"\x41\x01\x41\x00\x10" + _number(free) + end
        body += end
    return body + end + result + b"\x10" + _number(replaced) + end


def _imported_functions(section: bytes) -> tuple[int, dict[bytes, int]]:
    """How many functions are imported, and where each is."""
    reader, functions = _Reader(section), 0
    places = {}
    for _ in range(reader.number()):
        reader.name()
        name, kind = reader.name(), reader.byte()
        if kind == 0:
            reader.number()
            places[name] = functions
            functions += 1
        elif kind == 1:
            reader.byte()
            reader.limits()
        elif kind == 2:
            reader.limits()
        elif kind == 3:
            reader.byte()
            reader.byte()
        else:
            raise Unknown(f"it has an import of the kind {kind}")
    return functions, places


def _items(exports: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The exports: name, kind, place."""
    reader = _Reader(exports)
    for _ in range(reader.number()):
        yield reader.name(), reader.byte(), reader.number()


def _exports(module: bytes) -> dict[bytes, int]:
    """Where each exported function is."""
    return {name: place for name, kind, place in _items(_part(module, _EXPORTS)) if kind == 0}


def _redirected(exports: bytes, function: bytes, to: int) -> bytes:
    """The exports with a function elsewhere."""
    items = list(_items(exports))
    moved = [(name, kind, to if (name, kind) == (function, 0) else place) for name, kind, place in items]
    return _number(len(items)) + b"".join(_number(len(name)) + name + bytes([kind]) + _number(place) for name, kind, place in moved)


def _part(module: bytes, kind: int) -> bytes:
    """A section of a module, where it has one; otherwise an empty one."""
    return dict(_sections(module)).get(kind, b"\0")


def _sections(binary: bytes) -> Iterator[tuple[int, bytes]]:
    reader = _Reader(binary, 8)
    while reader.at < len(binary):
        yield reader.byte(), reader.name()


def _section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + _number(len(content)) + content


def _number(value: int) -> bytes:
    """An unsigned LEB128."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


class _Reader:
    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def name(self) -> bytes:
        """Bytes with their number in front."""
        length = self.number()
        self.at += length
        return self.data[self.at - length : self.at]

    def limits(self) -> None:
        """The limits of a memory or a table."""
        flags = self.byte()
        self.number()
        if flags & 1:
            self.number()

    def rest(self) -> bytes:
        return self.data[self.at :]
