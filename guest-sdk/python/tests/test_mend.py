"""A module that is not as expected is not touched, but refused. That the leak is gone only a long run shows."""

import unittest

from edgemill_guest._mend import Unknown, mended

HEADER = b"\0asm\x0d\0\x01\0"
MODULE = b"\0asm\x01\0\0\0"
POST_RETURN = b"cabi_post_edgemill:transform/transformer@1.0.0#transform"


def component(module: bytes) -> bytes:
    return HEADER + bytes([1, len(module)]) + module


class Mending(unittest.TestCase):
    def test_what_is_not_known_is_refused(self) -> None:
        exports = bytes([1, len(POST_RETURN)]) + POST_RETURN + b"\0\0"
        imports = b"\x01\x03env\x01f\0\0"
        for module, message in [
            (MODULE, "0 of its core modules have the function"),
            (MODULE + bytes([2, len(imports)]) + imports + bytes([7, len(exports)]) + exports, "it does not import wit_dylib_dealloc_bytes"),
        ]:
            with self.assertRaisesRegex(Unknown, message):
                mended(component(module))

    def test_the_function_goes_behind_one_that_frees(self) -> None:
        free = b"wit_dylib_dealloc_bytes"
        parts = {
            2: b"\x01\x03env" + bytes([len(free)]) + free + b"\0\0",
            3: b"\x01\x01",
            7: bytes([1, len(POST_RETURN)]) + POST_RETURN + b"\0\x01",
            10: b"\x01\x02\0\x0b",
        }
        made = mended(component(MODULE + b"".join(bytes([kind, len(part)]) + part for kind, part in parts.items())))
        self.assertIn(POST_RETURN + b"\0\x02", made)
        self.assertIn(b"\x03\x03\x02\x01\x01", made)
        self.assertTrue(made.endswith(b"\x20\0\x10\x01\x0b"))


if __name__ == "__main__":
    unittest.main()
