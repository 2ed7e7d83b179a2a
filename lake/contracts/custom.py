"""Read `customProperties`, where a contract says what the standard leaves to the tool."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from open_data_contract_standard.model import CustomProperty

from lake.contracts.document import ContractError, Key

UNITS = {
    **dict.fromkeys(("s", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("y", "yr", "year", "years"), 365 * 86400.0),
}
_DURATION = re.compile(r"(?P<number>\d+(\.\d+)?) ?(?P<unit>[a-z]+)\Z")


def read_custom(properties: Sequence[CustomProperty] | None, known: frozenset[str], at: Key) -> Custom:
    """Return the custom properties at a place; raises ContractError for one that is not `known`.

    Those with a `vendor` other than lakemesh are somebody else's and are skipped.
    """
    custom = Custom(at)
    for position, entry in enumerate(properties or ()):
        if entry.vendor not in {None, "lakemesh"}:
            continue
        place: Key = (*at, "customProperties", position)
        if entry.property not in known:
            message = f"custom property {entry.property} is unknown here; known: {', '.join(sorted(known))}"
            raise ContractError(place, message)
        custom.add(entry.property, entry.value, place)
    return custom


class Custom:
    """Custom properties of one place; each reader raises ContractError where the value stands."""

    def __init__(self, at: Key) -> None:
        self._at: Key = (*at, "customProperties")
        self._values: dict[str, tuple[Any, Key]] = {}

    def add(self, name: str, value: Any, at: Key) -> None:
        if name in self._values:
            raise ContractError(at, f"custom property {name} stands twice")
        self._values[name] = (value, at)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def place(self, name: str) -> Key:
        """Return where a property stands, or where it would stand."""
        return self._values[name][1] if name in self._values else self._at

    def value(self, name: str) -> Any:
        return self._values[name][0] if name in self._values else None

    def text(self, name: str, default: str = "") -> str:
        value = self.value(name)
        if value is None:
            return default
        if not isinstance(value, str) or not value.strip():
            raise ContractError(self.place(name), f"{name} is a text, not {value!r}")
        return value.strip()

    def count(self, name: str, default: int, *, least: int = 1, most: int = 2**31 - 1) -> int:
        value = self.value(name)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ContractError(self.place(name), f"{name} is a number from {least} to {most}, not {value!r}")
        return value

    def share(self, name: str, default: float) -> float:
        value = self.value(name)
        if value is None:
            return default
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            raise ContractError(self.place(name), f"{name} is a share from 0 to 1, not {value!r}")
        return float(value)

    def duration(self, name: str) -> timedelta | None:
        value = self.value(name)
        if value is None:
            return None
        match = _DURATION.match(value) if isinstance(value, str) else None
        if match is None or match["unit"] not in UNITS:
            raise ContractError(self.place(name), f"{name} is a duration as 2 h or 90 min, not {value!r}")
        return timedelta(seconds=float(match["number"]) * UNITS[match["unit"]])

    def mapping(self, name: str, keys: frozenset[str]) -> dict[str, Any]:
        """Return a mapping with some of these keys, empty when the property is not there."""
        value = self.value(name)
        if value is None:
            return {}
        if not isinstance(value, dict) or not set(value) <= keys:
            raise ContractError(self.place(name), f"{name} is a mapping of {', '.join(sorted(keys))}")
        return value
