"""Check a contract's rules on whole columns; the meaning of each rule is that of `values.breaks`.

One cheap look per column first (null count, minimum and maximum, distinct values): it proves most
batches clean. Only a rule that the look finds broken costs a mask over the rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal as Number
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lake.contracts.contract import Rule, RuleKind
from lake.contracts.values import breaks, comparable, member, message

_BOUNDS = {
    RuleKind.MINIMUM: pc.less,
    RuleKind.MAXIMUM: pc.greater,
    RuleKind.EXCLUSIVE_MINIMUM: pc.less_equal,
    RuleKind.EXCLUSIVE_MAXIMUM: pc.greater_equal,
}
_LOWER = frozenset({RuleKind.MINIMUM, RuleKind.EXCLUSIVE_MINIMUM, RuleKind.MIN_LENGTH})


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A broken rule; `rows` has one boolean per row of the table, true where it is broken."""

    rule: Rule
    rows: pa.BooleanArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One broken rule of one row, as quarantine keeps it."""

    row: int
    rule: str
    path: str
    message: str


def find_violations(table: pa.Table, rules: Sequence[Rule]) -> tuple[Violation, ...]:
    """Return the rules that some row breaks, in the order of the rules; empty for a clean table.

    Columns have the types of the contract's fields. A rule on a column that the table lacks counts
    every value as null.
    """
    columns: dict[str, _Column] = {}
    found: list[Violation] = []
    for rule in rules:
        column = columns.get(rule.path)
        if column is None:
            column = columns[rule.path] = _column(table, rule.path)
        mask = column.broken(rule)
        if mask is not None:
            found.append(Violation(rule=rule, rows=mask))
    return tuple(found)


def bad_rows(violations: Sequence[Violation], rows: int) -> pa.BooleanArray:
    """Return one mask: true for each row that breaks any rule."""
    mask = pa.repeat(False, rows)
    for violation in violations:
        mask = pc.or_(mask, violation.rows)
    return mask


def explain(table: pa.Table, violations: Sequence[Violation]) -> Iterator[Breach]:
    """Yield every broken rule of every bad row, by row and then in the order of the rules."""
    if not violations:
        return
    numbers = pc.indices_nonzero(bad_rows(violations, table.num_rows))
    bad = table.take(numbers)
    broken = [v.rows.take(numbers).to_pylist() for v in violations]
    for position, (number, record) in enumerate(zip(numbers.to_pylist(), bad.to_pylist(), strict=True)):
        for violation, flags in zip(violations, broken, strict=True):
            if flags[position]:
                rule = violation.rule
                _, value = member(record, rule.path)
                yield Breach(row=number, rule=rule.name, path=rule.path, message=message(rule, value))


@dataclass(slots=True, kw_only=True)
class _Column:
    """A column, the struct around it, and what one look at it showed."""

    values: pa.Array
    parent: pa.Array | None  # None: the rows themselves, always there
    extremes: tuple[Any, Any] | None = None
    lengths: pa.Array | None = None
    has_nan: bool | None = None

    def broken(self, rule: Rule) -> pa.BooleanArray | None:
        """Return the rows that break a rule, None when no row does."""
        match rule.kind:
            case RuleKind.REQUIRED:
                return self._missing()
            case RuleKind.ALLOWED:
                return self._not_listed(rule)
            case RuleKind.PATTERN:
                return self._unmatched(rule)
            case RuleKind.MIN_LENGTH | RuleKind.MAX_LENGTH:
                return self._length(rule)
        return self._out_of_bounds(rule)

    def _missing(self) -> pa.BooleanArray | None:
        if self.values.null_count == 0:
            return None
        missing = pc.is_null(self.values)
        if self.parent is not None:
            missing = pc.and_(missing, pc.is_valid(self.parent))
        return _some(missing)

    def _out_of_bounds(self, rule: Rule) -> pa.BooleanArray | None:
        if self.extremes is None:
            seen = pc.min_max(self.values)
            self.extremes = (seen["min"].as_py(), seen["max"].as_py())
            is_float = pa.types.is_floating(self.values.type)
            self.has_nan = is_float and pc.any(pc.is_nan(self.values)).as_py() is True
        extreme = self.extremes[0 if rule.kind in _LOWER else 1]
        if not self.has_nan and (extreme is None or not breaks(rule, extreme)):
            return None
        bound = _scalar(rule, self.values.type)
        if bound is None:
            return self._row_by_row(rule)
        outside = _BOUNDS[rule.kind](self.values, bound)
        if self.has_nan:
            outside = pc.or_(outside, pc.is_nan(self.values))
        return _some(outside.fill_null(False))

    def _length(self, rule: Rule) -> pa.BooleanArray | None:
        if self.lengths is None:
            self.lengths = pc.utf8_length(self.values)
        wrong = pc.less if rule.kind in _LOWER else pc.greater
        return _some(wrong(self.lengths, int(str(rule.argument))).fill_null(False))

    def _unmatched(self, rule: Rule) -> pa.BooleanArray | None:
        encoded = pc.dictionary_encode(self.values)
        matches = pc.match_substring_regex(encoded.dictionary, str(rule.argument))
        if pc.all(matches).as_py() is not False:
            return None
        return _some(pc.invert(matches.take(encoded.indices)).fill_null(False))

    def _not_listed(self, rule: Rule) -> pa.BooleanArray | None:
        assert isinstance(rule.argument, tuple)
        listed = [v for a in rule.argument if (v := _as_type(a, self.values.type)) is not None]
        inside = pc.is_in(self.values, value_set=pa.array(listed, self.values.type), skip_nulls=True)
        return _some(pc.and_(pc.invert(inside), pc.is_valid(self.values)))

    def _row_by_row(self, rule: Rule) -> pa.BooleanArray | None:
        return _some(pa.array([breaks(rule, value) for value in self.values.to_pylist()], pa.bool_()))


def _column(table: pa.Table, path: str) -> _Column:
    first, *members = path.split(".")
    if first not in table.column_names:
        return _Column(values=pa.nulls(table.num_rows), parent=None)
    column = table.column(first)
    values = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    parent = None
    for name in members:
        parent, values = values, pc.struct_field(values, name)
    return _Column(values=values, parent=parent)


def _some(mask: pa.BooleanArray) -> pa.BooleanArray | None:
    return mask if pc.any(mask).as_py() else None


def _scalar(rule: Rule, kind: pa.DataType) -> pa.Scalar | None:
    """Return a bound as Arrow compares it; None when the type can't hold it."""
    argument = rule.argument
    if pa.types.is_integer(kind) and isinstance(argument, Number):
        # x >= 0.5 and x < 0.5 turn at 1; x > 0.5 and x <= 0.5 turn at 0
        up = rule.kind in {RuleKind.MINIMUM, RuleKind.EXCLUSIVE_MAXIMUM}
        argument = math.ceil(argument) if up else math.floor(argument)
    value = _as_type(argument, kind)
    return None if value is None else pa.scalar(value, kind)


def _as_type(argument: Any, kind: pa.DataType) -> Any:
    """Return an argument as a value of the type; None when the type has no such value."""
    sample: Any = argument
    if pa.types.is_timestamp(kind):
        sample = pa.scalar(0, kind).as_py()
    elif pa.types.is_date(kind):
        sample = date.min
    elif pa.types.is_floating(kind):
        sample = 0.0
    value = comparable(argument, sample)
    if pa.types.is_integer(kind) and isinstance(value, Number):
        if value != value.to_integral_value():
            return None
        value = int(value)
    try:
        pa.scalar(value, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None
    return value
