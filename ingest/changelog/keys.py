"""The key of a record as values of the primary key's columns: what a deletion says of its row."""

from __future__ import annotations

from typing import Any

from ingest.codec import Codec, Failure, JsonCodec
from ingest.codec.envelope import unwrapped
from ingest.codec.rows import Row, read_object
from ingest.codec.values import convert_members
from lake.contracts import Contract
from lake.types import Primitive

KEY = "key"


class KeyReader:
    """Read keys; thread-safe. `codec` reads framed ones, else they are JSON or, of one column, plain text."""

    def __init__(self, contract: Contract, codec: Codec | None) -> None:
        self._fields = tuple(contract.column(name) for name in contract.primary_key)
        self._codec = codec
        self._single = JsonCodec(self._fields) if len(self._fields) == 1 else None

    def read(self, key: bytes | None) -> dict[str, Any] | Failure:
        """Return the columns of the primary key, none of them null, or why the key doesn't give them."""
        if key is None:
            return _no_key("the record has neither value nor key")
        if self._codec is not None and key[:1] == b"\x00":
            found = self._of_codec(self._codec, key)
        elif key.lstrip()[:1] == b"{":
            found = self._of_object(key)
        elif self._single is not None:
            found = self._of_text(self._single, key)
        else:
            return _no_key("the key is no object with the columns of the primary key")
        if isinstance(found, Failure):
            return found
        missing = [f.name for f in self._fields if found[f.name] is None]
        return _no_key(f"the key lacks {', '.join(missing)}") if missing else found

    def of_row(self, image: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return the columns of the primary key that a row has; None when it has not all of them."""
        found = {f.name: (image or {}).get(f.name) for f in self._fields}
        return None if None in found.values() else found

    def _of_object(self, key: bytes) -> dict[str, Any] | Failure:
        document = unwrapped(read_object(key))
        if isinstance(document, Row):
            return _no_key(document.failures[0].message)
        failures: list[Failure] = []
        found = convert_members(document, self._fields, "", failures)
        return _no_key(f"{failures[0].path}: {failures[0].message}") if failures else found

    def _of_text(self, codec: JsonCodec, key: bytes) -> dict[str, Any] | Failure:
        """Read a key that is the value itself: a text with or without JSON's quotes, or a number."""
        field = self._fields[0]
        quoted = key[:1] == b'"' and key[-1:] == b'"' and len(key) > 1
        if not quoted and field.type is Primitive.STRING:
            try:
                return {field.name: key.decode("utf-8")}
            except UnicodeDecodeError:
                return _no_key("the key is no UTF-8")
        for text in (key, b'"' + key + b'"'):
            rows = codec.decode([b'{"' + field.name.encode() + b'":' + text + b"}"])
            if rows.rows.num_rows:
                found: dict[str, Any] = rows.rows.to_pylist()[0]
                return found
        return _no_key(f"the key is no value of {field.name}")

    @staticmethod
    def _of_codec(codec: Codec, key: bytes) -> dict[str, Any] | Failure:
        decoded = codec.decode([key])
        if decoded.bad:
            return _no_key(decoded.bad[0].failures[0].message)
        found: dict[str, Any] = decoded.rows.to_pylist()[0]
        return found


def _no_key(message: str) -> Failure:
    return Failure(rule=KEY, path="", message=message)
