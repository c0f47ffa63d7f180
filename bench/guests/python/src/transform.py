"""Gives each page view an ``_id``, by json; with ``keep``, lets records pass."""

import json
from dataclasses import dataclass

from edgemill_guest import Outputs, Record, transform


@dataclass
class Config:
    """The configuration."""

    keep: bool


@transform
class PageViews:
    """The transform."""

    def __init__(self, config: Config) -> None:
        self.keep = config.keep

    def transform(self, record: Record, out: Outputs) -> None:
        if self.keep:
            return out.keep()
        view = record.json()
        if view is None:
            return
        time, user, page = view["viewtime"], view["userid"], view["pageid"]
        row = {"_id": f"{user}|{page}|{time}", "viewtime": time, "userid": user, "pageid": page}
        out.emit(value=json.dumps(row, separators=(",", ":")))
