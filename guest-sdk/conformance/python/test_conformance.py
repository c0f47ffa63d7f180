"""The conformance transform without Wasm."""

import unittest

from conformance import Conformance
from edgemill_guest.testing import Harness, Rejected


class ConformanceTest(unittest.TestCase):
    def test_it_runs_without_wasm(self) -> None:
        results = Harness(Conformance, {"mark": "m"}).run("a", "!mark", "!drop", "!reject c why", "!many 2")
        self.assertEqual(results.texts, ["a", "m", "0", "1"])
        self.assertEqual(results.rejects, [Rejected(3, "c", "why")])

    def test_it_logs(self) -> None:
        with self.assertLogs(level="INFO") as logs:
            Harness(Conformance).run("!log info hello", "!log debug nobody hears it")
        self.assertEqual(logs.output, ["INFO:root:hello"])

    def test_it_refuses_what_does_not_fit(self) -> None:
        for config, message in [
            ({"mark": "m", "limit": 0}, "limit must be above 0"),
            ({"limit": 2}, "the configuration has no mark"),
            ({"mark": "m", "limit": "two"}, "limit must be a whole number, not text"),
        ]:
            with self.assertRaisesRegex(ValueError, message):
                Harness(Conformance, config)
