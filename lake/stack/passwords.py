"""Trino's password file: a line per user, passwords salted and stretched (PBKDF2, as Trino reads it)."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path

from lake.errors import BadInputError

ITERATIONS = 100_000
_USER = re.compile(r"[a-z][a-z0-9._@-]*\Z")


def write_password(path: Path, user: str, password: str) -> None:
    """Set a user's password and keep all other lines; Trino reads the file again within seconds.

    A line that already fits stays as it is. Raises BadInputError for a name that no user may have.
    """
    lines = read_passwords(path)
    if user in lines and _matches(lines[user], password):
        return
    if not _USER.match(user):
        raise BadInputError(f"{user!r} is no user's name: use a-z, 0-9 and . _ @ -")
    lines[user] = _encode(password)
    fresh = path.with_suffix(".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(f"{name}:{encoded}\n" for name, encoded in sorted(lines.items()))
    fresh.replace(path)


def read_passwords(path: Path) -> dict[str, str]:
    """Return the encoded password of each user."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _encode(password: str, *, salt: bytes | None = None) -> str:
    salt = salt or secrets.token_bytes(16)
    # SHA-1 is the only one that Trino 476 knows here; in PBKDF2 its collisions don't matter.
    digest = hashlib.pbkdf2_hmac("sha1", password.encode(), salt, ITERATIONS, dklen=32)
    return f"{ITERATIONS}:{salt.hex()}:{digest.hex()}"


def _matches(encoded: str, password: str) -> bool:
    _, salt, _ = encoded.split(":")
    return _encode(password, salt=bytes.fromhex(salt)) == encoded
