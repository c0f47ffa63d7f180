"""Mends a leak of componentize-py 0.25: it never frees a ``list<u8>`` that a call gave back.

Its ``maybe_pop_list`` copies the bytes into memory that nobody owns, so a module would grow by every byte of its outputs.
After a call the host calls the module's post-return function with the place of the results. Here that function is put
behind one that frees those lists first; the offsets are those of ``outputs`` in transform.wit, by the canonical ABI.
"""

from collections.abc import Iterator

_POST_RETURN = b"cabi_post_edgemill:transform/transformer@1.0.0#transform"
_FREE = b"wit_dylib_dealloc_bytes"

# the flags of the columns that are optional, and where the place of each list of bytes stands
_COLUMNS = {24: (28,), 44: (48,), 64: (76, 92)}

_CORE_MODULE = 1
_IMPORTS, _FUNCTIONS, _EXPORTS, _CODE = 2, 3, 7, 10


class Unknown(Exception):
    """The component is not as this version of componentize-py makes them."""


def mended(component: bytes) -> bytes:
    """The component without the leak. Raises ``Unknown``."""
    parts, found = [component[:8]], 0
    for kind, content in _sections(component):
        if kind == _CORE_MODULE and _POST_RETURN in content:
            content = _module(content)
            found += 1
        parts.append(_section(kind, content))
    if found != 1:
        raise Unknown(f"{found} of its core modules have the function {_POST_RETURN.decode()}")
    return b"".join(parts)


def _module(module: bytes) -> bytes:
    sections = list(_sections(module))
    content = dict(sections)
    imported, free = _imported_functions(content[_IMPORTS])
    functions = _Reader(content[_FUNCTIONS])
    types = [functions.number() for _ in range(functions.number())]
    added = imported + len(types)
    exports, replaced = _redirected(content[_EXPORTS], added)
    code = _Reader(content[_CODE])
    bodies = code.number()
    body = _body(free, replaced)
    changed = {
        _FUNCTIONS: _number(len(types) + 1) + b"".join(map(_number, [*types, types[replaced - imported]])),
        _EXPORTS: exports,
        _CODE: _number(bodies + 1) + code.rest() + _number(len(body)) + body,
    }
    return module[:8] + b"".join(_section(kind, changed.get(kind, old)) for kind, old in sections)


def _body(free: int, replaced: int) -> bytes:
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


def _imported_functions(section: bytes) -> tuple[int, int]:
    """How many functions are imported, and which of them frees."""
    reader, functions, free = _Reader(section), 0, None
    for _ in range(reader.number()):
        reader.name()
        name, kind = reader.name(), reader.byte()
        if kind == 0:
            reader.number()
            free = functions if name == _FREE else free
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
    if free is None:
        raise Unknown(f"it does not import {_FREE.decode()}")
    return functions, free


def _redirected(section: bytes, to: int) -> tuple[bytes, int]:
    """The exports with the post-return function elsewhere, and where it was."""
    reader, parts, replaced = _Reader(section), [], None
    count = reader.number()
    for _ in range(count):
        name, kind, index = reader.name(), reader.byte(), reader.number()
        if name == _POST_RETURN:
            replaced, index = index, to
        parts.append(_number(len(name)) + name + bytes([kind]) + _number(index))
    if replaced is None:
        raise Unknown(f"it does not export {_POST_RETURN.decode()}")
    return _number(count) + b"".join(parts), replaced


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
