import unittest

from edgemill_guest.testing import Harness
from transform import Loud


class LoudTest(unittest.TestCase):
    def test_text_becomes_loud(self) -> None:
        results = Harness(Loud, {"mark": "?"}).run("hello", "")
        self.assertEqual(results.texts, ["HELLO?"])
        self.assertEqual(results.codes, ["empty"])
