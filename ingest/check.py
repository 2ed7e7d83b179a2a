"""The rules of a contract on decoded rows: columns first, then the suspect rows one by one.

`failing_rules` says what a rule means. `suspects` may name a row too many, never one too few: a
property test holds it to that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal as Number
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.codec import Failure
from lake.contracts import Contract, Rule, RuleKind

_WIDEST = 38  # digits of Arrow's decimal128


class RuleCheck:
    """All rules of one contract, prepared once; thread-safe."""

    def __init__(self, contract: Contract) -> None:
        self._rules = contract.rules
        self._row_checks = tuple((rule, _row_check(rule)) for rule in contract.rules)

    def suspects(self, rows: pa.Table) -> list[int]:
        """Return the positions of the rows that may break a rule, ascending."""
        if rows.num_rows == 0:
            return []
        mask: Any = None
        for rule in self._rules:
            broken = _broken(rule, _column(rows, rule.path))
            if broken is not None:
                mask = broken if mask is None else pc.or_(mask, broken)
        if mask is None:
            return []
        found: list[int] = pc.indices_nonzero(pc.fill_null(mask, True)).to_pylist()
        return found

    def failing_rules(
        self, values: Mapping[str, Any], *, unread: frozenset[str] = frozenset()
    ) -> tuple[Failure, ...]:
        """Return every rule that a row breaks; paths in `unread` failed before and are left out."""
        failures = []
        for rule, passes in self._row_checks:
            if any(rule.path == path or rule.path.startswith(f"{path}.") for path in unread):
                continue
            value = _member(values, rule.path)
            if value is None:
                if rule.kind is RuleKind.REQUIRED:
                    failures.append(Failure(rule=rule.name, path=rule.path, message="the value is missing"))
            elif not passes(value):
                failures.append(Failure(rule=rule.name, path=rule.path, message=_message(rule, value)))
        return tuple(failures)


def _message(rule: Rule, value: Any) -> str:
    shown = "the value" if rule.masked else repr(value) if isinstance(value, str) else str(value)
    return f"{shown[:80]} breaks {rule.name} {rule.argument}"


def _member(values: Mapping[str, Any], path: str) -> Any:
    here: Any = values
    for name in path.split("."):
        if here is None:
            return None
        here = here.get(name)
    return here


def _column(rows: pa.Table, path: str) -> pa.ChunkedArray:
    first, *rest = path.split(".")
    column = rows.column(first)
    return pc.struct_field(column, rest) if rest else column


def _row_check(rule: Rule) -> Callable[[Any], bool]:
    argument: Any = rule.argument
    match rule.kind:
        case RuleKind.REQUIRED:
            return lambda _: True
        case RuleKind.MINIMUM:
            return lambda value: bool(value >= _like(value, argument))
        case RuleKind.MAXIMUM:
            return lambda value: bool(value <= _like(value, argument))
        case RuleKind.EXCLUSIVE_MINIMUM:
            return lambda value: bool(value > _like(value, argument))
        case RuleKind.EXCLUSIVE_MAXIMUM:
            return lambda value: bool(value < _like(value, argument))
        case RuleKind.MIN_LENGTH:
            return lambda value: len(value) >= int(argument)
        case RuleKind.MAX_LENGTH:
            return lambda value: len(value) <= int(argument)
        case RuleKind.PATTERN:
            # The same engine as for columns (RE2), so that both read an expression alike.
            return lambda value: bool(pc.match_substring_regex(pa.scalar(value), str(argument)).as_py())
        case RuleKind.ALLOWED:
            return lambda value: any(value == _like(value, item) for item in argument)


def _like(value: Any, argument: Any) -> Any:
    """Return a bound as something that `value` can be compared with exactly."""
    if isinstance(value, datetime):
        return _instant(str(argument), value)
    if isinstance(value, date):
        return date.fromisoformat(str(argument))
    # A double is compared with the double nearest to the bound, as engines do; NaN passes no bound.
    return float(argument) if isinstance(value, float) else argument


def _instant(text: str, like: datetime) -> datetime:
    moment = datetime.fromisoformat(text)
    if like.tzinfo is None:
        return moment.replace(tzinfo=None)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _broken(rule: Rule, column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return a mask of the rows that may break a rule, None when none does."""
    match rule.kind:
        case RuleKind.REQUIRED:
            return pc.is_null(column) if column.null_count else None
        case RuleKind.MIN_LENGTH:
            return _unless(pc.greater_equal(pc.utf8_length(column), int(str(rule.argument))))
        case RuleKind.MAX_LENGTH:
            return _unless(pc.less_equal(pc.utf8_length(column), int(str(rule.argument))))
        case RuleKind.PATTERN:
            return _unless(pc.match_substring_regex(column, str(rule.argument)))
        case RuleKind.ALLOWED:
            return _not_allowed(column, rule.argument)
        case _:
            return _outside(rule.kind, column, rule.argument)


def _unless(passing: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Turn "passes" into "broken"; null passes."""
    if pc.all(passing).as_py() is not False:
        return None
    return pc.fill_null(pc.invert(passing), False)


def _not_allowed(column: pa.ChunkedArray, allowed: Any) -> pa.ChunkedArray | None:
    if not pa.types.is_string(column.type):
        # Numbers and times have several spellings of one value: the row check compares them.
        return pc.is_valid(column)
    known = pa.array([str(item) for item in allowed], column.type)
    return _unless(pc.or_(pc.is_in(column, value_set=known), pc.is_null(column)))


def _outside(kind: RuleKind, column: pa.ChunkedArray, argument: Any) -> pa.ChunkedArray | None:
    bounds = pc.min_max(column)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    if low is None:
        return None
    bound = _like(low, argument)
    if pa.types.is_floating(column.type):
        # NaN hides from min and max, so the comparison has to see every value.
        limit = pa.scalar(float(bound), column.type)
    elif _keeps(kind, low, high, bound):
        return None
    else:
        limit = _scalar(bound, column.type)
    if limit is None:
        return pc.is_valid(column)
    match kind:
        case RuleKind.MINIMUM:
            return _unless(pc.greater_equal(column, limit))
        case RuleKind.MAXIMUM:
            return _unless(pc.less_equal(column, limit))
        case RuleKind.EXCLUSIVE_MINIMUM:
            return _unless(pc.greater(column, limit))
        case _:
            return _unless(pc.less(column, limit))


def _keeps(kind: RuleKind, low: Any, high: Any, bound: Any) -> bool:
    """Tell from a column's extremes that all of it is within a bound."""
    match kind:
        case RuleKind.MINIMUM:
            return bool(low >= bound)
        case RuleKind.MAXIMUM:
            return bool(high <= bound)
        case RuleKind.EXCLUSIVE_MINIMUM:
            return bool(low > bound)
        case _:
            return bool(high < bound)


def _scalar(bound: Any, kind: pa.DataType) -> pa.Scalar | None:
    """Return an exact scalar for a bound; None when the type can't hold it: rows are looked at."""
    if pa.types.is_integer(kind):
        number = Number(bound)
        if number != number.to_integral_value() or not math.isfinite(number):
            return None
        bound = int(number)
    elif pa.types.is_decimal(kind):
        kind = pa.decimal128(_WIDEST, kind.scale)
        bound = Number(bound)
    try:
        return pa.scalar(bound, kind)
    except (pa.ArrowInvalid, OverflowError):
        return None
