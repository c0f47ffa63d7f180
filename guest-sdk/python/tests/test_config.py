"""Configurations read into types."""

import unittest
from dataclasses import dataclass, field
from typing import Any, Literal

from edgemill_guest import Outputs, Record
from edgemill_guest.testing import Harness


@dataclass
class Rule:
    source: str


@dataclass
class Config:
    name: str
    share: float = 0.5
    most: int | None = None
    mode: Literal["fast", "safe"] = "safe"
    on: bool = True
    rules: list[Rule] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=dict)


class Configured:
    seen: Any = None

    def __init__(self, config: Config) -> None:
        Configured.seen = config

    def transform(self, record: Record, out: Outputs) -> None:
        out.keep()


class Optional(Configured):
    def __init__(self, config: Config | None) -> None:
        Configured.seen = config


class Plain:
    def transform(self, record: Record, out: Outputs) -> None:
        out.keep()


class Reading(unittest.TestCase):
    def test_what_fits_is_read(self) -> None:
        Harness(Configured, {"name": "n"})
        self.assertEqual(Configured.seen, Config("n"))
        Harness(Configured, {"name": "n", "share": 1, "most": 3, "mode": "fast", "on": False, "rules": [{"source": "a"}], "more": {"x": 1}})
        self.assertEqual(Configured.seen, Config("n", 1.0, 3, "fast", False, [Rule("a")], {"x": 1}))
        Harness(Optional)
        self.assertIsNone(Configured.seen)
        self.assertEqual(Harness(Plain).run("a").texts, ["a"])

    def test_what_does_not_fit_is_named(self) -> None:
        for config, message in [
            (None, "the configuration has no name"),
            ([], "the configuration must be an object, not a list"),
            ({"name": 1}, "name must be text, not a whole number"),
            ({"name": "n", "share": True}, "share must be a number, not true or false"),
            ({"name": "n", "most": 1.5}, "most must be a whole number, not a number"),
            ({"name": "n", "mode": "slow"}, "mode must be one of fast, safe"),
            ({"name": "n", "on": "yes"}, "on must be true or false, not text"),
            ({"name": "n", "rules": [{"source": "a"}, {"source": None}]}, "rules.1.source must be text, not null"),
            ({"name": "n", "nome": "n"}, "the configuration has a field that nobody knows: nome"),
        ]:
            with self.subTest(config=config), self.assertRaises(ValueError) as raised:
                Harness(Configured, config)
            self.assertEqual(str(raised.exception), message)
        with self.assertRaisesRegex(ValueError, "takes no configuration"):
            Harness(Plain, {})


if __name__ == "__main__":
    unittest.main()
