"""Names derived from content: the digest of a plan and the idempotency key of a delivery."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from uuid import UUID, uuid5

from lake.control.activation_values import Change, Operation

# Any fixed UUID: it separates our keys from other uuid5 users of the same destination.
_NAMESPACE = UUID("6f2c6f0e-6a57-5f0c-9d0a-0f5b8a1f4c11")


def idempotency_key(sync: str, operation: Operation, key: str, revision: int) -> UUID:
    """Return the key under which a record is sent, the same however often it is repeated (I6).

    The content is left out on purpose: while an outcome is in doubt the same content is sent again, and
    once it is known to be accepted the revision has grown.
    """
    parts = json.dumps([sync, operation.value, key, revision])  # JSON separates the parts safely
    return uuid5(_NAMESPACE, parts)


def plan_digest(sync: str, mapping: str, changes: Iterable[Change]) -> str:
    """Return a digest of what would be sent: equal digests mean the same requests."""
    digest = hashlib.sha256(json.dumps([sync, mapping]).encode())
    for change in sorted(changes, key=lambda c: c.key):
        line = [change.key, change.operation.value, change.revision, change.before, change.after]
        digest.update(json.dumps(line, sort_keys=True, default=dict).encode())
    return digest.hexdigest()
