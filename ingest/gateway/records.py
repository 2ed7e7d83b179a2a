"""Cut a body into records without decoding them: what the topic gets is what was sent."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from ingest.gateway.answers import Refusal
from lake.settings import GatewaySettings

JSON = "application/json"
NDJSON = "application/x-ndjson"
_LINES = frozenset({NDJSON, "application/ndjson", "application/jsonl", "application/x-jsonlines"})
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_OPEN = b"{["


def split_records(content: bytes, media_type: str, settings: GatewaySettings) -> list[bytes]:
    """Return the records of a body, in order: one object, the items of an array, or one a line.

    A record that is no valid JSON is the contract's to judge where lines separate records; a document
    that can't be cut is refused with 400, another media type with 415, what is too much with 413.
    """
    kind = media_type.partition(";")[0].strip().lower()
    if kind in _LINES:
        records = [line for line in map(bytes.strip, content.split(b"\n")) if line]
    elif kind == JSON:
        records = _document(content)
    else:
        raise Refusal(415, f"send {JSON} (an object or an array of them) or {NDJSON} (an object a line)")
    _check_sizes(records, settings)
    return records


def _document(content: bytes) -> list[bytes]:
    text = content.strip()
    try:
        if text.startswith(b"["):
            items = msgspec.json.decode(text, type=list[msgspec.Raw])
            return [_on_one_line(bytes(item)) for item in items]
        msgspec.json.decode(text, type=msgspec.Raw)
    except RecursionError:
        raise Refusal(400, "the document is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise Refusal(400, str(error)) from None
    return [_on_one_line(text)]


def _on_one_line(record: bytes) -> bytes:
    """Take out the line breaks of a pretty-printed record; its numbers and strings keep their bytes."""
    return msgspec.json.format(record, indent=-1) if b"\n" in record else record


def _check_sizes(records: Sequence[bytes], settings: GatewaySettings) -> None:
    if not records:
        raise Refusal(400, "the body holds no record")
    if len(records) > settings.records:
        raise Refusal(413, f"{len(records)} records; a request may have at most {settings.records}")
    for index, record in enumerate(records):
        if len(record) > settings.record_bytes:
            raise Refusal(413, f"record {index} has more than {settings.record_bytes} bytes", index=index)
        if is_deeper(record, settings.json_depth):
            raise Refusal(
                400, f"record {index} is nested deeper than {settings.json_depth} levels", index=index
            )


def is_deeper(record: bytes, depth: int) -> bool:
    """Tell whether objects and arrays are nested in more than `depth` levels."""
    if record.count(b"{") + record.count(b"[") <= depth:
        return False
    level = 0
    for character in _STRING.sub(b"", record):
        if character in _OPEN:
            level += 1
            if level > depth:
                return True
        elif character in b"}]":
            level -= 1
    return False
