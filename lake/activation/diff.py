"""Compare mart and ledger: the pure heart of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lake.control.activation_values import Change, LedgerEntry, Operation, Payload


def diff(mart: Mapping[str, Payload], ledger: Mapping[str, LedgerEntry]) -> tuple[Change, ...]:
    """Return what turns the ledger's content into the mart's, ordered by key.

    A key that the ledger holds as deleted is created again, at the revision where it stopped.
    """
    return tuple(_changes(mart, ledger))


def _changes(mart: Mapping[str, Payload], ledger: Mapping[str, LedgerEntry]) -> Iterator[Change]:
    for key in sorted(mart.keys() | ledger.keys()):
        entry = ledger.get(key)
        before = entry.payload if entry else None
        after = mart.get(key)
        if before is None and after is None:
            continue
        if before is not None and after is not None and dict(before) == dict(after):
            continue
        if before is None:
            operation = Operation.CREATE
        elif after is None:
            operation = Operation.DELETE
        else:
            operation = Operation.UPDATE
        yield Change(
            key=key,
            operation=operation,
            revision=entry.revision if entry else 0,
            before=before,
            after=after,
        )


def accept(ledger: Mapping[str, LedgerEntry], change: Change) -> dict[str, LedgerEntry]:
    """Return the ledger after the destination accepted `change`: its content, one revision further."""
    entry = LedgerEntry(key=change.key, payload=change.after, revision=change.revision + 1)
    return {**ledger, change.key: entry}
