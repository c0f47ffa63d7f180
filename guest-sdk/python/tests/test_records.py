"""What a transform reads and writes, through the columns."""

import unittest
from types import SimpleNamespace
from typing import Any

from edgemill_guest import Header, Outputs, Record, Reject, transform
from edgemill_guest._columns import records
from edgemill_guest._transform import Door, Refused, declared_in
from edgemill_guest.testing import Harness, Input, Rejected


class Reading(unittest.TestCase):
    def test_a_record_is_read_as_it_is(self) -> None:
        seen: list[Record] = []
        headers = [("a", "1"), (b"\xff", None), ("a", "3")]
        full = Input(key="k", value="v", headers=headers, timestamp=2**62)
        Harness(lambda record, out: seen.append(record), topic="t", partition=3).run(full, Input(), b"\xff")
        first, empty, binary = seen
        self.assertEqual((first.topic, first.partition, first.offset, first.timestamp), ("t", 3, 0, 2**62))
        self.assertEqual((first.key_text(), first.text(), first.header("a")), ("k", "v", Header("a", b"3")))
        self.assertEqual([header.value for header in first.headers], [b"1", None, b"3"])
        self.assertEqual((empty.key, empty.value, empty.text(), empty.json(), empty.timestamp), (None,) * 5)
        self.assertEqual((empty.offset, empty.headers, empty.header("a")), (1, (), None))
        with self.assertRaises(Reject) as raised:
            binary.text()
        self.assertEqual(raised.exception.code, "not-utf8")

    def test_json_is_parsed_or_refused(self) -> None:
        results = Harness(lambda record, out: out.emit(value=str(record.json()))).run('{"a":1}', "{", "null", "\ufeff1")
        self.assertEqual(results.texts, ["{'a': 1}", "None"])
        self.assertEqual(results.codes, ["not-json", "not-json"])


class Writing(unittest.TestCase):
    def test_columns_that_nothing_was_set_in_are_not_given(self) -> None:
        none = SimpleNamespace(data=b"", lengths=[])
        column = SimpleNamespace(data=b"ab", lengths=[1, 1])
        headers = SimpleNamespace(counts=[], names=none, values=none)
        batch: Any = SimpleNamespace(topic="t", partition=0, offsets=[0, 1], timestamps=[1, 1], keys=column, values=column, headers=headers)
        kept = Outputs(records(batch))._run(lambda record, out: out.keep() if record.value == b"b" else None)
        self.assertEqual(kept, ([1], None, None, None, None, [], [], []))
        set_ = Outputs(records(batch))._run(lambda record, out: out.emit(value="x"))
        self.assertEqual(set_, ([0, 1], None, None, [b"x", b"x"], None, [], [], []))

    def test_what_is_set_late_reaches_only_its_own_output(self) -> None:
        def late(record: Record, out: Outputs) -> None:
            out.keep()
            if record.value == b"b":
                out.emit(key=None, value="B", timestamp=9, headers=[*record.headers, ("n", None)], route="r")
                out.emit()

        fed = [Input(key="1", value="a", timestamp=5, headers=[("h", "x")]), Input(value="b"), Input(key="3", value="c")]
        shown = [(o.origin, o.key, o.value, o.timestamp, len(o.headers), o.route) for o in Harness(late).run(*fed).outputs]
        self.assertEqual(
            shown,
            [
                (0, b"1", b"a", 5, 1, None),
                (1, None, b"b", None, 0, None),
                (1, None, b"B", 9, 1, "r"),
                (1, None, b"b", None, 0, None),
                (2, b"3", b"c", None, 0, None),
            ],
        )

    def test_outputs_of_a_rejected_record_are_withheld_with_all_their_columns(self) -> None:
        def bad(record: Record, out: Outputs) -> None:
            text = record.text() or ""
            out.emit(key="k", value=text + "!", timestamp=1, headers=[("h", "v"), ("i", None)], route=text)
            if text == "bad":
                raise Reject("bad", "no")

        results = Harness(bad).run("a", "bad", "b")
        self.assertEqual([(o.value, len(o.headers), o.route) for o in results.outputs], [(b"a!", 2, "a"), (b"b!", 2, "b")])
        self.assertEqual(results.rejects, [Rejected(1, "bad", "no")])

    def test_an_output_that_fails_leaves_nothing(self) -> None:
        wrong: list[dict[str, Any]] = [{"value": 7}, {"timestamp": 1 << 63}, {"headers": [(7, "v")]}, {"headers": [("n", 7)]}, {"route": 7}]

        def careless(record: Record, out: Outputs) -> None:
            for fields in wrong:
                with self.assertRaises((TypeError, OverflowError)):
                    out.emit(**{"key": "k", **fields})
            out.keep()

        outputs = Harness(careless).run("a").outputs
        self.assertEqual([(o.key, o.value, o.route) for o in outputs], [(None, b"a", None)])

    def test_what_is_no_text_passes_unharmed(self) -> None:
        fed = Input(value=bytearray(b"\xff"), headers=[(b"\xfe", memoryview(b"v"))])
        (output,) = Harness(lambda record, out: out.emit(headers=record.headers)).run(fed).outputs
        self.assertEqual((output.value, output.headers), (b"\xff", [("\udcfe", b"v")]))

    def test_a_transform_returns_nothing(self) -> None:
        def generator(record: Record, out: Outputs) -> Any:
            yield record

        with self.assertRaisesRegex(TypeError, "returns nothing, not a generator"):
            Harness(generator).run("a")


class TheDoor(unittest.TestCase):
    def test_an_error_is_a_fault_and_logged_with_its_place(self) -> None:
        def guilty(record: Record, out: Outputs) -> None:
            raise KeyError("oh")

        door = Door(guilty)
        door.configure("null")
        none = SimpleNamespace(data=b"", lengths=[-1])
        batch: Any = SimpleNamespace(topic="t", partition=0, offsets=[0], timestamps=[-1], keys=none, values=none, headers=SimpleNamespace(counts=[]))
        with self.assertLogs("edgemill_guest", "ERROR") as logs, self.assertRaises(KeyError):
            door.transform(batch)
        self.assertRegex(logs.output[0], r"KeyError: 'oh'\nat test_records.py:\d+ in guilty")

    def test_a_call_before_configure_is_refused(self) -> None:
        with self.assertRaises(Refused):
            Door(lambda record, out: None).transform(SimpleNamespace())  # type: ignore[arg-type]

    def test_a_module_declares_one_transform(self) -> None:
        @transform
        def one(record: Record, out: Outputs) -> None:
            out.keep()

        one.__module__ = "m"
        self.assertIs(declared_in(SimpleNamespace(__name__="m", one=one)), one)
        with self.assertRaisesRegex(TypeError, "must declare one transform with @transform, and declares none"):
            declared_in(SimpleNamespace(__name__="m"))
        with self.assertRaisesRegex(TypeError, "has no method"):
            transform(type("Empty", (), {}))


if __name__ == "__main__":
    unittest.main()
