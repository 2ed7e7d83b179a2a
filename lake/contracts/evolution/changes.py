"""What differs between two versions of a contract, and who can still read whose records.

Fields are compared as a schema registry compares Avro schemas; `required` without a default, which
contracts don't have, can't be added. Rules count like types: a narrower range refuses records that the
version before let through.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from lake.contracts.contract import Contract, Format
from lake.contracts.evolution.rules import rule_changes
from lake.contracts.evolution.types import Reading, reading, type_name
from lake.types import Field, FieldType, ListOf, MapOf, Struct


class Effect(Enum):
    """What a change asks of the live table and of those who read it."""

    NONE = "none"
    ADDS = "adds"  # a column or a member that older rows have as null
    WIDENS = "widens"  # the column's type is promoted; files stay as they are
    RELAXES = "relaxes"  # the column may be null from now on
    BREAKS = "breaks"  # no change of the table can do it


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `reads_old`: the new version reads what the old one wrote; `old_reads`: and back."""

    path: str  # dotted; empty for the stream itself
    text: str
    reads_old: bool
    old_reads: bool
    effect: Effect

    @property
    def column(self) -> str:
        return self.path.split(".", maxsplit=1)[0].removesuffix("[]")

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


_STREAM = {
    # member of the contract: (name, whether records of one are records of the other)
    "kind": ("kind", False),
    "format": ("format", False),
    "framing": ("framing", False),
    "mode": ("mode", False),
    "topic": ("topic", False),
    "source": ("source", False),
    "resource": ("resource", False),
    "primary_key": ("primary key", False),
    "partition": ("partitioning", True),
    "key": ("key of the topic", True),
    "subject": ("subject", True),
    "event_time": ("eventTime", True),
    "compatibility": ("compatibility", True),
}
_TABLE = frozenset({"mode", "primary_key", "partition"})  # what the table was made for


def find_changes(old: Contract, new: Contract) -> tuple[Change, ...]:
    """Return every difference that somebody could notice, columns in their order, the stream itself last."""
    numbered = Format.PROTOBUF in {old.format, new.format}
    found = [*_fields(old.fields, new.fields, "", numbered=numbered)]
    gone = {change.path for change in found if change.effect in {Effect.ADDS, Effect.BREAKS}}
    found += (
        Change(path=r.path, text=r.text, reads_old=r.reads_old, old_reads=r.old_reads, effect=Effect.NONE)
        for r in rule_changes(old.rules, new.rules)
        if not any(r.path == path or r.path.startswith(f"{path}.") for path in gone)
    )
    return (*found, *_stream(old, new))


def _stream(old: Contract, new: Contract) -> Iterator[Change]:
    for member, (name, readable) in _STREAM.items():
        before, after = getattr(old, member), getattr(new, member)
        if before != after:
            yield Change(
                path="",
                text=f"{name} {_word(before)} → {_word(after)}",
                reads_old=readable,
                old_reads=readable,
                effect=Effect.BREAKS if member in _TABLE else Effect.NONE,
            )


def _fields(
    old: tuple[Field, ...], new: tuple[Field, ...], parent: str, *, numbered: bool
) -> Iterator[Change]:
    before = {f.name: (f, f.number or n) for n, f in enumerate(old, start=1)}
    after = {f.name: (f, f.number or n) for n, f in enumerate(new, start=1)}
    for name, (field, number) in after.items():
        path = f"{parent}{name}"
        if name not in before:
            yield _added(field, path)
            continue
        was, had = before[name]
        if numbered and had != number:
            text = f"Protobuf number {had} → {number}: fix it by fieldNumber"
            yield Change(path=path, text=text, reads_old=False, old_reads=False, effect=Effect.NONE)
        yield from _type(was.type, field.type, path, numbered=numbered)
        if was.required != field.required:
            yield _required(field, path)
    for name, (field, _) in before.items():
        if name not in after:
            yield _removed(field, f"{parent}{name}")


def _added(field: Field, path: str) -> Change:
    what = "required" if field.required else "optional"
    text = f"added, {what} {type_name(field.type)}"
    return Change(path=path, text=text, reads_old=not field.required, old_reads=True, effect=Effect.ADDS)


def _removed(field: Field, path: str) -> Change:
    what = "required" if field.required else "optional"
    text = f"removed, was {what} {type_name(field.type)}"
    return Change(path=path, text=text, reads_old=True, old_reads=not field.required, effect=Effect.BREAKS)


def _required(field: Field, path: str) -> Change:
    if field.required:
        return Change(
            path=path, text="optional → required", reads_old=False, old_reads=True, effect=Effect.NONE
        )
    return Change(
        path=path, text="required → optional", reads_old=True, old_reads=False, effect=Effect.RELAXES
    )


def _type(old: FieldType, new: FieldType, path: str, *, numbered: bool) -> Iterator[Change]:
    match old, new:
        case Struct(), Struct():
            yield from _fields(old.fields, new.fields, f"{path}.", numbered=numbered)
            return
        case ListOf(), ListOf():
            yield from _type(old.element, new.element, f"{path}[]", numbered=numbered)
            return
        case MapOf(), MapOf() if old.key == new.key:
            yield from _type(old.value, new.value, f"{path}[]", numbered=numbered)
            return
    found = reading(old, new)
    if found is not Reading.SAME:
        yield Change(
            path=path,
            text=f"{type_name(old)} → {type_name(new)}",
            reads_old=found in {Reading.WIDER, Reading.PROMOTED, Reading.EITHER},
            old_reads=found in {Reading.NARROWER, Reading.EITHER},
            effect=Effect.WIDENS if found is Reading.WIDER else Effect.BREAKS,
        )


def _word(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        parts = [v if isinstance(v, str) else f"{v.column} by {v.text}" for v in value]
        return ", ".join(parts) or "none"
    return str(value) or "none"
