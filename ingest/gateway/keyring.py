"""API keys: made once, shown once, kept as hashes, and remembered for seconds while they are in use."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from lake.clock import Clock
from lake.control import ApiKey

PREFIX = "lk"
_TOKEN = re.compile(rf"{PREFIX}_(?P<id>[0-9a-f]{{12}})_(?P<secret>[A-Za-z0-9_-]{{43}})\Z")
_FRESH_SECONDS = 5.0  # how long a revoked key may still be taken
_AGAIN_SECONDS = 1.0  # unknown keys make us look again no more often than this


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just made; `token` is what its holder sends and nobody can show again."""

    key_id: str
    secret_sha256: bytes = field(repr=False)
    token: str = field(repr=False)


def make_key() -> NewKey:
    """Make a key of 256 random bits."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return NewKey(key_id=key_id, secret_sha256=_hash(secret), token=f"{PREFIX}_{key_id}_{secret}")


class KeyRing:
    """Knows the active keys by asking `load`; thread-safe, may block while it asks."""

    def __init__(self, load: Callable[[], Sequence[ApiKey]], clock: Clock) -> None:
        self._load = load
        self._clock = clock
        self._lock = Lock()
        self._keys: dict[str, ApiKey] = {}
        self._loaded_at: float | None = None

    def recall(self, token: str) -> ApiKey | None:
        """Return the key of a token from memory alone; None when it isn't there or not fresh."""
        parts = _TOKEN.match(token)
        if parts is None or self._is_older_than(_FRESH_SECONDS):
            return None
        return self._matching(parts["id"], parts["secret"])

    def find(self, token: str) -> ApiKey | None:
        """Return the active key of a token, None when there is none.

        Raises UnavailableError when the keys can't be read.
        """
        parts = _TOKEN.match(token)
        if parts is None:
            return None
        with self._lock:
            known = parts["id"] in self._keys
            if self._is_older_than(_FRESH_SECONDS if known else _AGAIN_SECONDS):
                self._keys = {key.key_id: key for key in self._load()}
                self._loaded_at = self._clock.monotonic()
        return self._matching(parts["id"], parts["secret"])

    def _matching(self, key_id: str, secret: str) -> ApiKey | None:
        key = self._keys.get(key_id)
        if key is None or not hmac.compare_digest(key.secret_sha256, _hash(secret)):
            return None
        return key if key.is_active(self._clock.now()) else None

    def _is_older_than(self, seconds: float) -> bool:
        return self._loaded_at is None or self._clock.monotonic() - self._loaded_at > seconds


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
