"""Does a change of models break what somebody reads? Pure: columns, readers and promises in, breaks out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lake.control.published import MartContract
from lake.mesh.readers import Reader, contract_name

Columns = Mapping[str, str]  # name: type, as DuckDB writes it
# Tells whether every value of the first type has its place in the second.
Fits = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Break:
    """One column that a reader would lose or get cut."""

    model: str
    column: str
    what: str
    reader: str

    def __str__(self) -> str:
        return f"{self.model}.{self.column} {self.what}, and {self.reader} reads it"


def find_breaks(
    readers: Sequence[Reader],
    deployed: Sequence[MartContract],
    *,
    models: Mapping[str, Columns | None],
    before: Mapping[str, Columns],
    fits: Fits,
) -> list[Break]:
    """Return what the models as they are now would break.

    `models` holds every model, None where nobody knows its columns or reads them; `before` the columns
    that changed models had. A contract may take a promise back: in a new major version that says in
    `migrations` what becomes of the column.
    """
    found = [b for reader in readers for b in _unread(reader, models, before, fits)]
    local = {reader.model: reader for reader in readers if reader.version}
    for promise in deployed:
        found += _taken_back(promise, local.get(promise.model), models, fits)
    return sorted(set(found))


def _unread(
    reader: Reader, models: Mapping[str, Columns | None], before: Mapping[str, Columns], fits: Fits
) -> Iterator[Break]:
    if reader.model not in models:
        yield Break(model=reader.model, column="*", what="would be gone", reader=reader.name)
        return
    columns = models[reader.model]
    if columns is None:
        return
    was = before.get(reader.model, {})
    for column, promised in reader.columns.items():
        expected = promised or was.get(column, "")
        if reason := _lost(columns, column, expected, fits):
            yield Break(model=reader.model, column=column, what=reason, reader=reader.name)


def _lost(columns: Columns, column: str, expected: str, fits: Fits) -> str:
    if column not in columns:
        return f"({expected}) would be gone" if expected else "would be gone"
    if expected and not fits(expected, columns[column]):
        return f"would become {columns[column]}, which does not hold every {expected}"
    return ""


def _taken_back(
    promise: MartContract, local: Reader | None, models: Mapping[str, Columns | None], fits: Fits
) -> Iterator[Break]:
    name = contract_name(promise.model, promise.version, tuple(promise.consumers))
    if local is None:  # the file is gone; the promise stands until a contract retires it
        columns = models.get(promise.model)
        if promise.model not in models or columns is None:
            return
        for column, kind in promise.columns.items():
            if reason := _lost(columns, column, kind, fits):
                yield Break(model=promise.model, column=column, what=reason, reader=name)
        return
    newer = int(local.version.split(".", maxsplit=1)[0]) > promise.major
    for column, kind in promise.columns.items():
        reason = _lost(local.columns, column, kind, fits)
        if reason and not (newer and column in local.migrations):
            yield Break(model=promise.model, column=column, what=f"{reason} from the contract", reader=name)


def reached(start: str, children: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Return a model and everything below it."""
    found, waiting = {start}, [start]
    while waiting:
        news = set(children.get(waiting.pop(), ())) - found
        found |= news
        waiting.extend(news)
    return frozenset(found)
