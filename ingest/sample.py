"""Take a sample of records from a topic, an address or a file, as JSON values with their digits kept."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq

from lake.broker import LogReader, Shard, describe_topic
from lake.errors import BadInputError, HistoryError, UnavailableError
from lake.settings import BrokerSettings

_SECONDS = 10.0
_TRUE_FALSE = {"true": True, "false": False}

Records = Sequence[Mapping[str, Any]]


def sample_topic(settings: BrokerSettings, topic: str, *, count: int) -> Records:
    """Read the first records of a topic that are JSON objects; raises HistoryError when there is none."""
    found = describe_topic(settings, topic)
    if found is None:
        raise HistoryError(
            f"there is no topic {topic}", hint="create it, or let its source produce to it first"
        )
    reader = LogReader(settings, group=f"lakemesh.sample.{topic}")
    try:
        reader.assign({Shard(found.name, partition): None for partition in found.partitions})
        records: list[Mapping[str, Any]] = []
        ended: set[Any] = set()
        while len(records) < count and len(ended) < len(found.partitions):
            polled = reader.poll(records=count, seconds=0.5)
            ended |= polled.ended.keys()
            records += [r for chunk in polled.chunks for v in chunk.values if (r := _object(v)) is not None]
    finally:
        reader.close()
    return _some(records[:count], f"topic {topic}")


def sample_url(url: str, *, count: int) -> Records:
    """Fetch one answer of an API; the records are its array, or the longest array of objects in it."""
    try:
        answer = httpx.get(url, timeout=_SECONDS, follow_redirects=False)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise UnavailableError(
            "api", f"{url}: {error}", hint="check the address; save an answer as a file"
        ) from error
    return _some(_records_in(_load(answer.text, url))[:count], url)


def sample_file(path: Path, *, count: int) -> Records:
    """Read the first records of a CSV, JSON, NDJSON or Parquet file, by its ending."""
    if not path.is_file():
        raise BadInputError(f"there is no file {path}", hint="check the path")
    match path.suffix.lower():
        case ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = [row for row, _ in zip(csv.DictReader(file), range(count), strict=False)]
            return _some(
                [{name: _cell(text) for name, text in row.items() if name} for row in rows], str(path)
            )
        case ".parquet":
            batch = next(pq.ParquetFile(path).iter_batches(batch_size=count), None)
            return _some([] if batch is None else [_plain(row) for row in batch.to_pylist()], str(path))
        case ".json" | ".ndjson" | ".jsonl":
            text = path.read_text(encoding="utf-8")
            lines = [_object(line.encode()) for line in text.splitlines() if line.strip()]
            if len(lines) > 1 and None not in lines:
                return _some([line for line in lines if line is not None][:count], str(path))
            return _some(_records_in(_load(text, str(path)))[:count], str(path))
    raise BadInputError(
        f"{path}: what a {path.suffix} holds is not known", hint="use .csv, .json, .ndjson or .parquet"
    )


def _some(records: Records, where: str) -> Records:
    if not records:
        raise BadInputError(f"{where} holds no record that is a JSON object", hint="take another sample")
    return records


def _load(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise BadInputError(f"{where} is no JSON: {error}", hint="take another sample") from error


def _object(value: bytes | None) -> Mapping[str, Any] | None:
    try:
        found = json.loads(value or b"", parse_float=Decimal)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _records_in(document: Any) -> list[Mapping[str, Any]]:
    if isinstance(document, list):
        return [item for item in document if isinstance(item, dict)]
    if not isinstance(document, dict):
        return []
    arrays = [records for value in document.values() if (records := _records_in(value))]
    return max(arrays, key=len, default=[document])


def _cell(text: str | None) -> Any:
    """Return a cell of a CSV as JSON would have it; numbers with leading zeros are codes, not numbers."""
    if text is None or not text.strip():
        return None
    if text.lower() in _TRUE_FALSE:
        return _TRUE_FALSE[text.lower()]
    digits = text.removeprefix("-")
    if not digits[:1].isdigit() or (len(digits) > 1 and digits[0] == "0" and digits[1] != "."):
        return text
    try:
        return int(text) if digits.isdigit() else Decimal(text)
    except (ValueError, InvalidOperation):
        return text


def _plain(value: Any) -> Any:
    """Return a value of Arrow as JSON would have it."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
