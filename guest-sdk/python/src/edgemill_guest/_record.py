"""What a transform is given."""

import json
from typing import Any, NamedTuple


class Reject(Exception):
    """Raised to refuse a record. What the record gave so far is withheld, and the pipeline's policy applies to it.

    ``code`` is a short word of the transform's own, such as ``not-json``: for metrics and for filtering dead letters.
    ``message`` says what is wrong with the record, for a person.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Header(NamedTuple):
    """A header. Bytes of a name that are not UTF-8 are surrogates in it (PEP 383), and pass unharmed."""

    name: str
    value: bytes | None

    def text(self) -> str | None:
        """The value as text; None is null. Raises ``Reject`` with the code ``not-utf8``."""
        return _text(self.value, f"header {self.name}")


class Record(NamedTuple):
    """A record. Its bytes are its own, and may be kept."""

    topic: str
    partition: int
    offset: int
    timestamp: int | None
    """Milliseconds since 1970-01-01 UTC; None where there is none."""
    key: bytes | None
    """None is Kafka's null."""
    value: bytes | None
    """None is Kafka's null, a tombstone."""
    headers: tuple[Header, ...]

    def header(self, name: str) -> Header | None:
        """The last header of this name, as Kafka's own ``lastHeader``."""
        return next((header for header in reversed(self.headers) if header.name == name), None)

    def text(self) -> str | None:
        """The value as text; None is null. Raises ``Reject`` with the code ``not-utf8``."""
        return _text(self.value, "value")

    def key_text(self) -> str | None:
        """The key as text; None is null. Raises ``Reject`` with the code ``not-utf8``."""
        return _text(self.key, "key")

    def json(self) -> Any:
        """The value parsed as JSON; None is null. Raises ``Reject`` with the code ``not-utf8`` or ``not-json``."""
        text = _text(self.value, "value")
        if text is None:
            return None
        try:
            return json.loads(text)
        except ValueError as error:
            raise Reject("not-json", str(error)) from None


def _text(data: bytes | None, what: str) -> str | None:
    if data is None:
        return None
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise Reject("not-utf8", f"the {what} is not utf-8: {error.reason} at byte {error.start}") from None
