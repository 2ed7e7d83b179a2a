"""Show quarantined records without the personal data in them."""

from __future__ import annotations

import json
import re
from typing import Any

from ingest.quarantine.reading import Rejected
from lake.contracts import Contract

MASK = "***"


def shown(record: Rejected, contract: Contract | None, *, unmasked: bool) -> dict[str, Any]:
    """Return a record for people; what may be personal is masked unless `unmasked`.

    Without a contract, or where the value can't be read, nobody knows what is personal: all is masked.
    """
    return {
        "coordinate": str(record.coordinate),
        "first_seen": record.first_seen,
        "produced_at": record.produced_at,
        "contract_version": record.contract_version,
        "state": record.state,
        "key": _text(record.key) if unmasked else _key(record.key, contract),
        "value": _text(record.value) if unmasked else _value(record.value, contract),
        "rules": [
            {
                "rule": rule,
                "path": path,
                "message": message if unmasked or not _personal(path, contract) else MASK,
            }
            for rule, path, message in record.rules
        ],
    }


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "backslashreplace")


def _key(raw: bytes | None, contract: Contract | None) -> str | None:
    if raw is None:
        return None
    known = contract is not None and contract.key and not _personal(contract.key, contract)
    return _text(raw) if known or (contract is not None and not contract.pii) else MASK


def _value(raw: bytes | None, contract: Contract | None) -> str | None:
    if raw is None:
        return None
    if contract is not None and not contract.pii:
        return _text(raw)
    if contract is None:
        return f"{MASK} ({len(raw)} bytes)"
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return f"{MASK} ({len(raw)} bytes that can't be read)"
    if not isinstance(document, dict):
        return f"{MASK} ({len(raw)} bytes that are no object)"
    unknown = set(document) - set(contract.columns)  # what the contract doesn't know may be anything
    masked = {
        name: MASK if name in unknown else _masked(value, name, contract) for name, value in document.items()
    }
    return json.dumps(masked, ensure_ascii=False)


def _masked(value: Any, path: str, contract: Contract) -> Any:
    if _personal(path, contract):
        return None if value is None else MASK
    if isinstance(value, dict):
        return {name: _masked(member, f"{path}.{name}", contract) for name, member in value.items()}
    if isinstance(value, list):
        return [_masked(item, path, contract) for item in value]
    return value


def _personal(path: str, contract: Contract | None) -> bool:
    """Tell whether a path is personal data or lies in it."""
    if contract is None:
        return True
    plain = re.sub(r"\[\d*\]", "", path)
    return any(plain == own or plain.startswith(f"{own}.") for own in contract.pii)
