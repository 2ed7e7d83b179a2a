"""What lies in quarantine is final: the same bytes are neither landed nor quarantined again.

Only `replay` moves them on. So a record that its source sends in every run stays there once, and one whose
contract was loosened meanwhile does not land twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

_DIGEST = 16


class Quarantined:
    """The records of one source that are in quarantine, as 16 bytes each."""

    def __init__(self, values: Iterable[bytes | None] = ()) -> None:
        self._digests = {_digest(value) for value in values}

    def __bool__(self) -> bool:
        return bool(self._digests)

    def holds(self, raw: Sequence[bytes]) -> list[bool]:
        """Tell for each record whether it is there."""
        return [_digest(record) in self._digests for record in raw]

    def add(self, raw: bytes) -> bool:
        """Note a record; False when it was there already."""
        name = _digest(raw)
        if name in self._digests:
            return False
        self._digests.add(name)
        return True


def _digest(raw: bytes | None) -> bytes:
    return blake2b(raw or b"", digest_size=_DIGEST).digest()
