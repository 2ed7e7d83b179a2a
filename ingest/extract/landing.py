"""Land one resource: its rows and its cursor in one commit (design §4, "Land a batch").

1. Read the cursor from the table's property; stop when the commit that wrote it is no ancestor of main.
2. Quarantine ahead of the cursor: an earlier run ended between its two commits. What it quarantined is
   final, is left out when the API sends it again, and its numbers are not given twice.
3. Commit bad records to the quarantine table with the number reached there.
4. Commit good rows and cursor to the stream's table, on exactly the main that the cursor was read from.
5. Conflict: somebody else committed. The cursor is as we read it: the same files are staged again.
   It moved: another run landed these records; nothing of ours is committed and the run stops.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from ingest.extract.cursor import Cursor, bytes_identity, parse_instant, property_name
from ingest.extract.judge import Judged as Checked
from ingest.extract.sift import Keys, Sifted, Standing, identities, read_instant, standing
from ingest.extract.tables import bad_records, origin, raw_rows
from ingest.quarantine import quarantine_spec, to_rows
from ingest.quarantine.breaker import Judged, StreamBreaker
from ingest.tables import quarantine_name, raw_spec
from lake.catalog import LakeCatalog, NewSnapshot, TableState, WrittenFile, commit, ensure_table, write_files
from lake.catalog.commits import Conflict
from lake.catalog.scan import read_rows
from lake.clock import Clock, Deadline
from lake.contracts import Contract
from lake.errors import ConflictError, HistoryError
from lake.log import get_logger
from lake.settings import LandingSettings

log = get_logger("extract")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A table's state and the cursor that it holds, as text and as value."""

    state: TableState
    text: str | None
    cursor: Cursor


class ResourceTables:
    """The tables of one resource; one run at a time, in one thread."""

    def __init__(
        self, catalog: LakeCatalog, contract: Contract, landing: LandingSettings, keys: Keys, clock: Clock
    ) -> None:
        self._breaker = StreamBreaker(catalog.lake_settings.postgres, contract, clock)
        self._catalog = catalog
        self._contract = contract
        self._landing = landing
        self._keys = keys
        self._clock = clock
        self._property = property_name(contract.source, contract.resource)
        self._raw = self._position(ensure_table(catalog, raw_spec(landing, contract)))
        name = quarantine_name(landing, contract)
        self._quarantine = self._position(ensure_table(catalog, quarantine_spec(name, contract.stream)))

    @property
    def stored(self) -> Cursor:
        """The cursor as the table holds it now."""
        return self._raw.cursor

    def start(self) -> tuple[Cursor, frozenset[str]]:
        """Return the complete cursor to go on from, and the names of what is quarantined ahead (1, 2).

        Raises RefusedError when the stream's circuit breaker is open.
        """
        self._breaker.begin()
        cursor, pending = self._raw.cursor, frozenset[str]()
        if cursor.spilled:
            cursor = self._recall(cursor)
        if self._quarantine.cursor.sequence > cursor.settled:
            pending = self._quarantined(from_offset=cursor.settled)
            cursor = replace(cursor, sequence=max(cursor.sequence, self._quarantine.cursor.sequence))
        return cursor, pending

    def land(self, judged: Checked, sifted: Sifted, *, last: bool) -> None:
        """Commit what is new; raises ConflictError, or what `lake.catalog.commit` raises (3, 4, 5)."""
        now = self._clock.now()
        deadline = Deadline.after(self._landing.deadline_seconds, self._clock)
        after = sifted.cursor
        if last or not sifted.pending:
            after = replace(after, settled=after.sequence)
        refused = bad_records(judged, sifted, self._keys)
        offsets = pa.chunked_array([sifted.offsets])
        self._breaker.judge({origin(self._contract): Judged(good=offsets, bad=refused)})
        if refused:
            bad = to_rows(
                refused,
                source=origin(self._contract),
                contract_version=self._contract.version,
                first_seen=now,
            )
            mark = Cursor(sequence=after.sequence, commits=self._quarantine.cursor.commits)
            self._quarantine = self._commit(self._quarantine, bad, mark, deadline)
        good = raw_rows(self._contract, sifted, self._keys, now)
        self._raw = self._commit(self._raw, good, after, deadline)

    def _commit(self, position: Position, rows: pa.Table, after: Cursor, deadline: Deadline) -> Position:
        state = position.state
        files: tuple[WrittenFile, ...] = write_files(state, rows)
        stored = replace(after.kept(), commits=position.cursor.commits + 1)

        def properties(new: NewSnapshot) -> dict[str, str]:
            return {
                self._property: replace(stored, snapshot=new.id, snapshot_sequence=new.sequence).to_json()
            }

        while True:
            outcome = commit(
                self._catalog,
                state,
                files=files,
                properties=properties,
                deadline=deadline,
                retain=self._landing.retained_snapshots,
            )
            if not isinstance(outcome, Conflict):
                return self._position(outcome.state)
            state = outcome.state
            if state.properties.get(self._property) != position.text:
                raise ConflictError(
                    f"another run of {origin(self._contract)} landed in {state.name} meanwhile",
                    hint=f"lake extract run {self._contract.source}/{self._contract.resource}",
                )
            log.info("commit.staged_again", table=str(state.name))

    def _position(self, state: TableState) -> Position:
        text = state.properties.get(self._property)
        if text is None:
            return Position(state=state, text=None, cursor=Cursor())
        cursor = Cursor.from_json(text, table=str(state.name))
        _refuse_rollback(state, cursor)
        return Position(state=state, text=text, cursor=cursor)

    def _recall(self, cursor: Cursor) -> Cursor:
        """Read the identities that were too many for the property from the tables themselves."""
        keys = self._keys
        high = parse_instant(cursor.since or "", keys.instant_type)
        condition = {keys.instant: high.isoformat() if isinstance(high, datetime) else int(str(high))}
        known = set(identities(read_rows(self._raw.state, columns=keys.columns, equal=condition), keys))
        loose = set[str]()
        for raw in self._quarantined_bytes(from_offset=0):
            place = standing(read_instant(raw, keys), high)
            if place is not Standing.BEHIND:
                (known if place is Standing.AT else loose).add(bytes_identity(raw))
        return replace(cursor, known=frozenset(known), loose=frozenset(loose), spilled=False)

    def _quarantined(self, *, from_offset: int) -> frozenset[str]:
        return frozenset(bytes_identity(raw) for raw in self._quarantined_bytes(from_offset=from_offset))

    def _quarantined_bytes(self, *, from_offset: int) -> list[bytes]:
        if self._quarantine.state.main is None:
            return []
        rows = read_rows(
            self._quarantine.state,
            columns=("value",),
            equal={"source": origin(self._contract)},
            between={"offset": (from_offset, self._quarantine.cursor.sequence)},
        )
        values: list[bytes] = rows.column("value").to_pylist()
        return values


def _refuse_rollback(state: TableState, cursor: Cursor) -> None:
    """Stop when the commit that wrote the cursor is gone from main's history."""
    if cursor.snapshot is None or state.descends_from(cursor.snapshot, cursor.snapshot_sequence):
        return
    raise HistoryError(
        f"{state.name} was rolled back: the commit that wrote its cursor is not in its history any more",
        hint="lake extract status; set the table back, or drop it to extract everything again",
    )
