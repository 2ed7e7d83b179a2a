"""Records as a source gives them, and in which blocks: what all kinds of sources have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self, TypeVar

import pyarrow as pa

from ingest.check import ContractCheck, Split
from lake.errors import LakeError

_Item = TypeVar("_Item")


class Records(Protocol):
    """Some records in order; a place is a record's position among them."""

    def __len__(self) -> int: ...

    def split(self, check: ContractCheck) -> Split:
        """Hold them against their contract."""

    def raw(self, places: Sequence[int]) -> list[bytes]:
        """Return records as JSON, as quarantine keeps them."""

    def joined(self, others: Sequence[Self]) -> Self:
        """Return these and the others, of the same kind, in order."""


@dataclass(frozen=True, slots=True)
class JsonRecords:
    """Records as the bytes that were sent."""

    values: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.values)

    def split(self, check: ContractCheck) -> Split:
        return check.split(self.values)

    def raw(self, places: Sequence[int]) -> list[bytes]:
        return [self.values[place] for place in places]

    def joined(self, others: Sequence[JsonRecords]) -> JsonRecords:
        return JsonRecords((*self.values, *(value for other in others for value in other.values)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Records, and where the source stands once they and all before them have landed."""

    records: Records
    place: Mapping[str, Any] = field(default_factory=dict)


def gather(blocks: Iterable[Block], rows: int) -> Iterator[Block]:
    """Join blocks until they hold at least so many records; the place is that of the last one."""
    waiting: list[Block] = []
    count = 0
    for block in blocks:
        if waiting and not len(block.records):
            waiting[-1] = replace(waiting[-1], place=block.place)
            continue
        waiting.append(block)
        count += len(block.records)
        if count >= rows:
            yield _join(waiting)
            waiting, count = [], 0
    if waiting:
        yield _join(waiting)


def in_pieces(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Join tables until they hold at least so many rows; empty ones are left out."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting += [table] if table.num_rows else []
        if sum(part.num_rows for part in waiting) >= rows:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def with_last(items: Iterable[_Item]) -> Iterator[tuple[_Item, bool]]:
    """Yield each item and whether it is the last; before an error is raised, what came before is yielded."""
    waiting: list[_Item] = []
    failure: LakeError | None = None
    following = iter(items)
    while True:
        try:
            item = next(following)
        except StopIteration:
            break
        except LakeError as error:
            failure = error
            break
        if waiting:
            yield waiting.pop(), False
        waiting.append(item)
    if waiting:
        yield waiting.pop(), failure is None
    if failure is not None:
        raise failure


def _join(blocks: list[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    first, *others = (block.records for block in blocks)
    return Block(records=first.joined(others), place=blocks[-1].place)
