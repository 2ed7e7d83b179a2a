"""Read what a contract promises about the stream as a whole: `slaProperties`, and what no record proves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from open_data_contract_standard.model import (
    OpenDataContractStandard,
    SchemaObject,
    ServiceLevelAgreementProperty,
)

from lake.contracts.custom import UNITS
from lake.contracts.document import ContractError

_Entry = tuple[ServiceLevelAgreementProperty, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreements:
    """The service levels that lakemesh acts on."""

    freshness: timedelta | None
    completeness: float | None
    retention: timedelta | None
    end_of_support: date | None


def read_agreements(model: OpenDataContractStandard) -> Agreements:
    """Return the agreements; raises ContractError for a value or unit that means nothing."""
    agreed = {p.property: (p, i) for i, p in enumerate(model.slaProperties or ())}
    return Agreements(
        freshness=_duration(agreed.get("freshness")),
        completeness=_share(agreed.get("completeness")),
        retention=_duration(agreed.get("retention")),
        end_of_support=_day(agreed.get("endOfSupport")),
    )


def unchecked_promises(table: SchemaObject) -> Iterator[str]:
    """Name what is promised about the table as a whole: a single record can't prove it."""
    properties = table.properties or ()
    yield from (f"{p.name}: unique" for p in properties if p.unique)
    owners: list[tuple[str, Any]] = [("", table), *((f"{p.name}: ", p) for p in properties)]
    for prefix, owner in owners:
        yield from (prefix + (q.name or q.metric or q.type or "quality") for q in owner.quality or ())


def _duration(entry: _Entry | None) -> timedelta | None:
    if entry is None:
        return None
    agreed, position = entry
    factor = UNITS.get((agreed.unit or "").lower())
    if factor is None or isinstance(agreed.value, bool) or not isinstance(agreed.value, int | float):
        message = f"{agreed.property} needs a number and a unit of s, min, h, d or y"
        raise ContractError(("slaProperties", position), message)
    return timedelta(seconds=agreed.value * factor)


def _share(entry: _Entry | None) -> float | None:
    if entry is None:
        return None
    agreed, position = entry
    value = agreed.value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if agreed.unit != "percent" or not is_number or not 0 <= float(value or 0) <= 100:
        raise ContractError(("slaProperties", position), "completeness needs a number and unit percent")
    return round(float(value or 0) / 100, 10)


def _day(entry: _Entry | None) -> date | None:
    if entry is None:
        return None
    agreed, position = entry
    try:
        return date.fromisoformat(str(agreed.value))
    except ValueError as error:
        message = f"{agreed.property} is a day in quotes as '2026-12-31', not {agreed.value!r}"
        raise ContractError(("slaProperties", position), message) from error
