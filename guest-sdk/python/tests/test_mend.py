"""A module that is not as expected is not touched, but refused. That the leaks are gone the scenario `languages` shows."""

import unittest

from edgemill_guest._mend import Unknown, mended

HEADER = b"\0asm\x0d\0\x01\0"
MODULE = b"\0asm\x01\0\0\0"
POST_RETURN = b"cabi_post_edgemill:transform/transformer@1.0.0#transform"


FREE = b"wit_dylib_dealloc_bytes"
ALLOCATE = b"cabi_realloc"


def named(name: bytes, *rest: int) -> bytes:
    return bytes([len(name)]) + name + bytes(rest)


def module(parts: dict[int, bytes]) -> bytes:
    return MODULE + b"".join(bytes([kind, len(part)]) + part for kind, part in parts.items())


def component(*modules: bytes) -> bytes:
    return HEADER + b"".join(b"\x01" + bytes([len(module) | 0x80, len(module) >> 7]) + module for module in modules)


# one function of each, of the type 1; its body is empty
ADAPTER = module({2: b"\x01\x03env" + named(FREE, 0, 0), 3: b"\x01\x01", 7: b"\x01" + named(POST_RETURN, 0, 1), 10: b"\x01\x02\0\x0b"})
RUNTIME = module({3: b"\x01\x01", 7: b"\x02" + named(ALLOCATE, 0, 0) + named(FREE, 0, 0), 10: b"\x01\x02\0\x0b"})
# as the library of C has one too
OTHER = module({3: b"\x01\x01", 7: b"\x01" + named(ALLOCATE, 0, 0), 10: b"\x01\x02\0\x0b"})


class Mending(unittest.TestCase):
    def test_what_is_not_known_is_refused(self) -> None:
        imports = b"\x01\x03env\x01f\0\0"
        for modules, message in [
            ((MODULE,), "0 of its core modules have the function cabi_post"),
            ((ADAPTER, ADAPTER, RUNTIME), "2 of its core modules have the function cabi_post"),
            ((ADAPTER, OTHER), "0 of its core modules have the function cabi_realloc"),
            ((module({2: imports, 7: b"\x01" + named(POST_RETURN, 0, 0)}), RUNTIME), "it does not import wit_dylib_dealloc_bytes"),
        ]:
            with self.assertRaisesRegex(Unknown, message):
                mended(component(*modules))

    def test_functions_go_behind_others(self) -> None:
        made = mended(component(OTHER, ADAPTER, RUNTIME))
        other, adapter, runtime = (made.index(part) for part in (OTHER, named(POST_RETURN, 0, 2), named(ALLOCATE, 0, 1)))
        self.assertLess(other, adapter)
        self.assertLess(adapter, runtime)
        self.assertEqual(made.count(b"\x03\x03\x02\x01\x01"), 2)
        self.assertIn(b"\x20\0\x10\x01\x0b", made[adapter:runtime])
        self.assertTrue(made.endswith(b"\x20\x03\x10\0\x0b\x0b"))


if __name__ == "__main__":
    unittest.main()
