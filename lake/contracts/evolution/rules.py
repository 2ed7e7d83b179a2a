"""Compare the rules of two versions: does the new one let through all that the old one did, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lake.contracts.contract import Rule, RuleArgument, RuleKind

_LOWER = frozenset({RuleKind.MINIMUM, RuleKind.EXCLUSIVE_MINIMUM, RuleKind.MIN_LENGTH})


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """A rule that came, went or moved; the flags are those of `Change`."""

    path: str
    text: str
    reads_old: bool
    old_reads: bool


def rule_changes(old: Sequence[Rule], new: Sequence[Rule]) -> Iterator[RuleChange]:
    """Yield the changes by path and rule; `required` is compared with the fields, not here."""
    before = {(r.path, r.kind): r for r in old if r.kind is not RuleKind.REQUIRED}
    after = {(r.path, r.kind): r for r in new if r.kind is not RuleKind.REQUIRED}
    for place, rule in after.items():
        if place not in before:
            text = f"{rule.name} {shown(rule.argument)} added"
            yield RuleChange(path=rule.path, text=text, reads_old=False, old_reads=True)
        elif before[place].argument != rule.argument:
            yield _moved(before[place], rule)
    for place, rule in before.items():
        if place not in after:
            text = f"{rule.name} {shown(rule.argument)} removed"
            yield RuleChange(path=rule.path, text=text, reads_old=True, old_reads=False)


def _moved(old: Rule, new: Rule) -> RuleChange:
    looser = _lets_through(new, old)
    tighter = _lets_through(old, new)
    text = f"{new.name} {shown(old.argument)} → {shown(new.argument)}"
    return RuleChange(path=new.path, text=text, reads_old=looser, old_reads=tighter)


def _lets_through(one: Rule, other: Rule) -> bool:
    """Tell whether a rule accepts whatever the other of its kind accepts."""
    a, b = one.argument, other.argument
    match one.kind:
        case RuleKind.PATTERN:
            return False  # nobody can tell in general
        case RuleKind.ALLOWED:
            assert isinstance(a, tuple)
            assert isinstance(b, tuple)
            return set(b) <= set(a)
    low, high = _comparable(a), _comparable(b)
    return bool(low <= high if one.kind in _LOWER else low >= high)


def _comparable(argument: RuleArgument) -> Any:
    """Return a bound that compares with others of its column; times without zone are UTC, as when checked."""
    if not isinstance(argument, str):
        return argument
    moment = datetime.fromisoformat(argument)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def shown(argument: RuleArgument) -> str:
    """Return an argument as a message writes it."""
    text = ", ".join(map(str, argument)) if isinstance(argument, tuple) else str(argument)
    return text if len(text) <= 60 else f"{text[:60]}…"
