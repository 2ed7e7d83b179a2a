"""A cause: the rule that records of a stream break, and where in the record."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lake.errors import BadInputError

_PLACE = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Cause:
    """Written `stream/rule/path`; the path is left out when the whole record is meant.

    A record that breaks several rules has several causes. Places in arrays count as one: `items[]`.
    """

    stream: str
    rule: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Cause:
        """Read `stream/rule/path`; raises BadInputError."""
        stream, _, rest = text.partition("/")
        rule, _, path = rest.partition("/")
        if not stream or not rule:
            raise BadInputError(
                f"{text!r} is no cause: write stream/rule/path", hint="lake quarantine list shows all causes"
            )
        return cls(stream=stream, rule=rule, path=_PLACE.sub("[]", path))

    def __str__(self) -> str:
        return "/".join(part for part in (self.stream, self.rule, self.path) if part)
