"""Makes the text of every record loud. A place to begin: change it into what you need."""

from dataclasses import dataclass

from edgemill_guest import Outputs, Record, Reject, transform


@dataclass
class Config:
    """What stands in the pipeline's configuration: ``config = { mark = "!" }``."""

    mark: str = "!"


@transform
class Loud:
    """The transform."""

    def __init__(self, config: Config | None) -> None:
        self.config = config or Config()

    def transform(self, record: Record, out: Outputs) -> None:
        text = record.text()
        if text is None:
            return out.keep()
        if text == "":
            raise Reject("empty", "the value is empty")
        out.emit(value=text.upper() + self.config.mark)
