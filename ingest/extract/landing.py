"""Land one resource: its rows and its cursor in one commit (design §4, "Land a batch").

1. Read the cursor from the table's property; stop when the commit that wrote it is no ancestor of main.
2. Quarantine ahead of the cursor: an earlier run ended between its two commits. What it quarantined is
   final, and its numbers are not given twice.
3. Look that no other run has committed to either table since: it has given the same numbers to other
   records. Commit bad records to the quarantine table with the number reached there.
4. Commit good rows and cursor to the stream's table, on exactly the main that the cursor was read from.
5. Conflict: somebody else committed. The cursor is as we read it: the same files are staged again.
   It moved: another run landed these records; nothing of ours is committed and the run stops.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from ingest.care import TableCare
from ingest.extract.cursor import PREFIX, Cursor, property_name
from ingest.extract.quarantined import Quarantined
from ingest.quarantine import BadRecord, to_rows
from ingest.quarantine.breaker import Judged, StreamBreaker
from ingest.tables import open_quarantine, open_raw
from lake.catalog import (
    LakeCatalog,
    NewSnapshot,
    TableState,
    WrittenFile,
    arrow_schema,
    commit,
    load_table,
    write_files,
)
from lake.catalog.commits import Conflict
from lake.catalog.retention import landing_retention
from lake.catalog.scan import read_batches
from lake.clock import Clock, Deadline
from lake.contracts import META, Contract, Fence, Routing, check_fence, fence_properties, raw_fields
from lake.errors import ConflictError, HistoryError
from lake.log import get_logger
from lake.settings import LandingSettings

log = get_logger("extract")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who lands: a source and one of its resources, or a person's file."""

    source: str
    resource: str

    def __str__(self) -> str:
        return f"{self.source}.{self.resource}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A table's state and the cursor that it holds, as text and as value."""

    state: TableState
    text: str | None
    cursor: Cursor
    fence: Fence


class ResourceTables:
    """The tables of one resource; one run at a time, in one thread."""

    def __init__(
        self,
        catalog: LakeCatalog,
        contract: Contract,
        origin: Origin,
        landing: LandingSettings,
        clock: Clock,
        *,
        routing: Routing | None = None,
        care: TableCare | None = None,
    ) -> None:
        self._care = care
        self._breaker = StreamBreaker(catalog.lake_settings.postgres, contract, clock)
        self._catalog = catalog
        self._contract = contract
        self._origin = origin
        self._landing = landing
        self._clock = clock
        self._property = property_name(origin.source, origin.resource)
        self._routing = routing
        self._raw = self._position(open_raw(catalog, landing, contract, routing))
        self._quarantine = self._position(open_quarantine(catalog, landing, contract, routing))

    def begin(self) -> None:
        """Raise RefusedError when the stream's circuit breaker is open; called before the first commit."""
        self._breaker.begin()

    @property
    def stored(self) -> Cursor:
        """The cursor as the table holds it now."""
        return self._raw.cursor

    @property
    def next_number(self) -> int:
        """The running number that no record has, in neither table (2)."""
        return max(self._raw.cursor.sequence, self._quarantine.cursor.sequence)

    def landed_by_others(self) -> dict[str, tuple[str, bool]]:
        """Return which files other origins land in this table: by key who does, and whether it is done."""
        found: dict[str, tuple[str, bool]] = {}
        for name, text in self._raw.state.properties.items():
            if name.startswith(PREFIX) and name != self._property:
                place = Cursor.from_json(text, table=str(self._raw.state.name)).place
                origin = name.removeprefix(PREFIX)
                found |= dict.fromkeys(place.get("open", {}), (origin, False))
                found |= dict.fromkeys(place.get("files", {}), (origin, True))
        return found

    def rows(
        self, columns: Sequence[str], *, at_least: Mapping[str, str | int] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield columns of the landed rows, with `meta`; `at_least` leaves out smaller values."""
        return read_batches(self._raw.state, columns=(*columns, META.name), at_least=at_least)

    def quarantined(self) -> Quarantined:
        """Return what of this origin lies in quarantine."""
        batches = read_batches(
            self._quarantine.state, columns=("value",), equal={"source": str(self._origin)}
        )
        return Quarantined(value for batch in batches for value in batch.column("value").to_pylist())

    def pending_offsets(self) -> dict[str, frozenset[int]]:
        """Return what of each file lies in quarantine though the rows beside it never landed (2)."""
        if self._quarantine.cursor.sequence <= self._raw.cursor.sequence:
            return {}
        found: dict[str, set[int]] = {}
        for batch in read_batches(self._quarantine.state, columns=("source", "offset")):
            for source, offset in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                found.setdefault(source, set()).add(offset)
        return {source: frozenset(offsets) for source, offsets in found.items()}

    def no_rows(self) -> pa.Table:
        """Return the stream's table without rows."""
        return arrow_schema(raw_fields(self._contract)).empty_table()

    def land(self, good: pa.Table, bad: Sequence[BadRecord], after: Cursor) -> None:
        """Commit what is new (3, 4, 5); `good` has the columns of the stream's table, `meta` too.

        Raises ConflictError, RefusedError when too many are bad, or what `lake.catalog.commit` raises.
        """
        self.land_files(good, [(str(self._origin), bad)] if bad else [], after)

    def land_files(
        self, good: pa.Table, bad: Sequence[tuple[str, Sequence[BadRecord]]], after: Cursor
    ) -> None:
        """Do the same for bad records of several files, each with the source that its records name."""
        deadline = Deadline.after(self._landing.deadline_seconds, self._clock)
        offsets = pc.struct_field(good.column(META.name), "offset")
        every = [record for _, records in bad for record in records]
        self._breaker.judge({str(self._origin): Judged(good=offsets, bad=every)})
        self._refuse_overtaken()
        if bad:
            now = self._clock.now()
            refused = [
                to_rows(records, source=source, contract_version=self._contract.version, first_seen=now)
                for source, records in bad
            ]
            mark = Cursor(sequence=after.sequence, commits=self._quarantine.cursor.commits)
            self._quarantine = self._commit(self._quarantine, pa.concat_tables(refused), mark, deadline)
        self._raw = self._commit(self._raw, good, after, deadline)

    def _refuse_overtaken(self) -> None:
        for position in (self._raw, self._quarantine):
            present = load_table(self._catalog, position.state.name)
            if present is not None and present.properties.get(self._property) != position.text:
                raise self._overtaken(present)

    def _overtaken(self, state: TableState) -> ConflictError:
        return ConflictError(
            f"another run of {self._origin} landed in {state.name} meanwhile",
            hint="let it end, then repeat the command: it lands what is left",
        )

    def _commit(self, position: Position, rows: pa.Table, after: Cursor, deadline: Deadline) -> Position:
        state = position.state
        files: tuple[WrittenFile, ...] = write_files(state, rows)
        stored = replace(after, commits=position.cursor.commits + 1)
        claim: dict[str, str] = {}
        if position.fence is Fence.UNCLAIMED:
            claim = fence_properties(self._contract, self._routing)

        def properties(new: NewSnapshot) -> dict[str, str]:
            cursor = replace(stored, snapshot=new.id, snapshot_sequence=new.sequence)
            return {self._property: cursor.to_json(), **claim}

        while True:
            outcome = commit(
                self._catalog,
                state,
                files=files,
                properties=properties,
                deadline=deadline,
                retain=landing_retention(self._landing),
            )
            if not isinstance(outcome, Conflict):
                if self._care is not None:
                    self._care.after_commit(outcome.state)
                return self._position(outcome.state)
            state = outcome.state
            check_fence(str(state.name), state.properties, self._contract, self._routing)
            if state.properties.get(self._property) != position.text:
                raise self._overtaken(state)
            log.info("commit.staged_again", table=str(state.name))

    def _position(self, state: TableState) -> Position:
        """Read what a table says; raises HistoryError, or ContractMovedError when it is held to another."""
        fence = check_fence(str(state.name), state.properties, self._contract, self._routing)
        text = state.properties.get(self._property)
        cursor = Cursor() if text is None else Cursor.from_json(text, table=str(state.name))
        _refuse_rollback(state, cursor)
        return Position(state=state, text=text, cursor=cursor, fence=fence)


def _refuse_rollback(state: TableState, cursor: Cursor) -> None:
    """Stop when the commit that wrote the cursor is gone from main's history."""
    if cursor.snapshot is None or state.descends_from(cursor.snapshot, cursor.snapshot_sequence):
        return
    raise HistoryError(
        f"{state.name} was rolled back: the commit that wrote its cursor is not in its history any more",
        hint="lake extract status; set the table back, or drop it to extract everything again",
    )
