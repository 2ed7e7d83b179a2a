"""One rule on one value: the plain meaning that `checks` must agree with, and the message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal as Number
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lake.contracts.contract import Rule, RuleKind

_SHOWN = 80  # characters of a value in a message


def breaks(rule: Rule, value: Any) -> bool:
    """Tell whether a value (as Arrow gives it to Python) breaks a rule; null breaks only REQUIRED."""
    if value is None:
        return rule.kind is RuleKind.REQUIRED
    match rule.kind:
        case RuleKind.REQUIRED:
            return False
        case RuleKind.MIN_LENGTH:
            return len(value) < int(str(rule.argument))
        case RuleKind.MAX_LENGTH:
            return len(value) > int(str(rule.argument))
        case RuleKind.PATTERN:
            # RE2, not Python's re: the two differ on \d, \w and $
            return not pc.match_substring_regex(pa.scalar(value, pa.string()), str(rule.argument)).as_py()
        case RuleKind.ALLOWED:
            assert isinstance(rule.argument, tuple)
            return not any(value == comparable(allowed, value) for allowed in rule.argument)
    bound = comparable(rule.argument, value)
    match rule.kind:
        case RuleKind.MINIMUM:
            return not value >= bound
        case RuleKind.MAXIMUM:
            return not value <= bound
        case RuleKind.EXCLUSIVE_MINIMUM:
            return not value > bound
        case _:
            return not value < bound


def comparable(argument: Any, value: Any) -> Any:
    """Return a rule's argument as something that compares with values of that Python type."""
    if isinstance(value, float) and isinstance(argument, Number):
        return float(argument)  # 0.1 in the contract is the double 0.1
    if isinstance(argument, str):
        if isinstance(value, datetime):
            moment = datetime.fromisoformat(argument)
            if value.tzinfo is None:
                return moment.replace(tzinfo=None)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, date):
            return date.fromisoformat(argument[:10])
    return argument


def message(rule: Rule, value: Any) -> str:
    """Say what is wrong in one line; values of personal data stay out."""
    if rule.kind is RuleKind.REQUIRED:
        return f"{rule.path} is missing"
    shown = "the value (personal data)" if rule.masked else _short(value)
    match rule.kind:
        case RuleKind.ALLOWED:
            assert isinstance(rule.argument, tuple)
            return f"{rule.path}: {shown} is none of {_short(', '.join(str(a) for a in rule.argument))}"
        case RuleKind.PATTERN:
            return f"{rule.path}: {shown} does not match {rule.argument}"
        case RuleKind.MIN_LENGTH | RuleKind.MAX_LENGTH:
            least = "least" if rule.kind is RuleKind.MIN_LENGTH else "most"
            return f"{rule.path} has {len(value)} characters, at {least} {rule.argument} are agreed"
    sign = {
        RuleKind.MINIMUM: ">=",
        RuleKind.MAXIMUM: "<=",
        RuleKind.EXCLUSIVE_MINIMUM: ">",
        RuleKind.EXCLUSIVE_MAXIMUM: "<",
    }[rule.kind]
    return f"{rule.path}: {shown} is not {sign} {rule.argument}"


def member(record: Mapping[str, Any] | None, path: str) -> tuple[bool, Any]:
    """Return whether the struct around a path is there, and the value at the path."""
    *parents, leaf = path.split(".")
    for parent in parents:
        record = record.get(parent) if record is not None else None
    return record is not None, record.get(leaf) if record is not None else None


def broken_rules(
    record: Mapping[str, Any], rules: Sequence[Rule], *, unread: frozenset[str] = frozenset()
) -> Iterator[Rule]:
    """Yield the rules that one record breaks; paths in `unread` could not be decoded and are left out."""
    for rule in rules:
        if any(rule.path == path or rule.path.startswith(f"{path}.") for path in unread):
            continue
        present, value = member(record, rule.path)
        if present and breaks(rule, value):
            yield rule


def _short(value: Any) -> str:
    text = value.isoformat() if isinstance(value, date) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
