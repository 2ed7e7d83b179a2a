"""Commit replayed rows to the stream's table so that each record is in it once.

1. Read the table of rows; it must still be held to the contract that judged them. Replays that an earlier
   run committed and did not live to record stand there as properties: record them as resolutions first.
2. Leave out what is resolved by now. Whoever replayed one of these records before this state of the table
   left either a property in it or a resolution, so nobody can have landed it unseen.
3. Commit rows and `ingest.replay.<id>` together, on exactly that main. Positions stay where they are.
   The properties recorded in 1 go away in the same commit, so that there is never more than a handful.
4. Conflict: the stream's writer, table care or another replay moved main. Begin again at 1; the files are
   written again only when records were resolved in between.
5. Record the resolution. A crash before this is what 1 is for.

The quarantine table itself is never written. A lost answer is read back by `lake.catalog.commit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from ingest.care import TableCare
from ingest.quarantine.pending import (
    COORDINATES,
    PREFIX,
    Pending,
    read_pending,
    read_replays,
    replay_id,
    to_properties,
)
from ingest.quarantine.resolutions import KEYS, Action, Resolution, is_resolved, read_resolved, resolve
from ingest.replay.judge import Verdict
from lake.catalog import Conflict, LakeCatalog, TableState, WrittenFile, commit, load_table, write_files
from lake.catalog.retention import landing_retention
from lake.catalog.scan import read_rows
from lake.clock import Clock, Deadline
from lake.contracts import Contract, check_held
from lake.errors import HistoryError, UnavailableError
from lake.log import get_logger
from lake.settings import LandingSettings
from lake.types import TableName

log = get_logger("replay")

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who replays, and why."""

    actor: str
    reason: str


class ReplayTables:
    """The tables of one stream during a replay; used by one thread."""

    def __init__(
        self,
        catalog: LakeCatalog,
        landing: LandingSettings,
        contract: Contract,
        *,
        who: Who,
        clock: Clock,
        care: TableCare,
    ) -> None:
        self._catalog = catalog
        self._landing = landing
        self._contract = contract
        self._stream = contract.stream
        self._who = who
        self._clock = clock
        self._care = care
        self._recorded: set[str] = set()
        self._raw = self._load(landing.raw_schema)
        self._quarantine = self._load(landing.quarantine_schema)

    def begin(self) -> None:
        """Record what earlier replays left, and check that table and resolutions tell the same story.

        Raises HistoryError when the table was rolled back behind a replay or resolutions are missing,
        ContractMovedError when it is held to another contract or waits for a deploy.
        """
        self._check_contract()
        self._settle(self._deadline())
        known = read_replays(self._raw).rows
        resolved = read_resolved(
            self._catalog, self._landing.quarantine_schema, self._stream, table_uuid=self._raw.uuid
        )
        recorded = pc.sum(pc.equal(resolved.column("action"), Action.REPLAYED.value)).as_py() or 0
        if recorded < known:
            raise HistoryError(
                f"{self._raw.name} holds {known} replayed rows, but only {recorded} are recorded in"
                f" {self._landing.quarantine_schema}.resolutions: somebody changed that table",
                hint="restore it: without it a replay would land those records again",
            )

    def land(self, verdicts: Sequence[Verdict]) -> int:
        """Commit the rows that are not resolved yet and return how many; returns when that is known.

        Raises what `lake.catalog.commit` raises; the next replay finds out what became of it.
        Raises ContractMovedError when another contract was deployed since the rows were judged.
        """
        deadline, attempt = self._deadline(), 0
        files: tuple[WrittenFile, ...] = ()
        records: pa.Table | None = None
        while True:
            self._check_contract()
            settled = self._settle(deadline)  # 1
            due = self._unresolved(verdicts)  # 2
            left = pa.concat_tables([v.records.select(KEYS) for v in due])
            if not left.num_rows:
                return 0
            if records is None or not left.equals(records):
                files = tuple(file for v in due for file in write_files(self._raw, v.rows))
                records = left
            replay = replay_id(self._raw.uuid, records.select(COORDINATES.names))
            pending = Pending(actor=self._who.actor, reason=self._who.reason, records=records)
            outcome = commit(  # 3
                self._catalog,
                self._raw,
                files=files,
                properties=partial(to_properties, replay, pending, read_replays(self._raw)),
                remove=[f"{PREFIX}{name}" for name in settled],
                deadline=deadline,
                retain=landing_retention(self._landing),
            )
            self._raw = outcome.state
            if not isinstance(outcome, Conflict):
                log.info("replay.landed", stream=self._stream, replay=replay, records=records.num_rows)
                self._record(replay, pending, records, deadline)  # 5
                self._care.after_commit(self._raw)
                return int(records.num_rows)
            self._pause(attempt, deadline)  # 4
            attempt += 1

    def finish(self) -> None:
        """Take away the properties that are recorded by now; without it the next replay does."""
        deadline, attempt = self._deadline(), 0
        while settled := self._settle(deadline):
            outcome = commit(
                self._catalog,
                self._raw,
                files=(),
                properties={},
                remove=[f"{PREFIX}{name}" for name in settled],
                deadline=deadline,
                retain=landing_retention(self._landing),
            )
            self._raw = outcome.state
            if isinstance(outcome, Conflict):
                self._pause(attempt, deadline)
                attempt += 1

    def _check_contract(self) -> None:
        """Look what the table is held to: a deploy adds a snapshot, so who staged before it comes here."""
        check_held(str(self._raw.name), self._raw.properties, self._contract)

    def _settle(self, deadline: Deadline) -> tuple[str, ...]:
        """Record every replay that stands in the table; return their ids."""
        found = read_pending(self._raw)
        for replay, pending in found.items():
            if replay not in self._recorded:
                self._record(replay, pending, self._with_first_seen(pending.records), deadline)
        return tuple(found)

    def _record(self, replay: str, pending: Pending, records: pa.Table, deadline: Deadline) -> None:
        resolve(
            self._catalog,
            self._landing.quarantine_schema,
            Resolution(
                id=replay,
                stream=self._stream,
                action=Action.REPLAYED,
                table_uuid=self._raw.uuid,
                reason=pending.reason,
                actor=pending.actor,
                at=self._clock.now(),
                records=records,
            ),
            deadline,
        )
        self._recorded.add(replay)

    def _with_first_seen(self, coordinates: pa.Table) -> pa.Table:
        """Look up when landing first met records of which only the coordinates are known."""
        offsets = pc.min_max(coordinates.column("offset")).as_py()
        found = read_rows(
            self._quarantine,
            columns=KEYS,
            between={"offset": (offsets["min"], offsets["max"] + 1)},
        )
        return found.join(coordinates, keys=COORDINATES.names, join_type="left semi").select(KEYS)

    def _unresolved(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """Return the verdicts without the records that somebody resolved."""
        offsets = pc.min_max(pa.concat_tables([v.records for v in verdicts]).column("offset")).as_py()
        resolved = read_resolved(
            self._catalog,
            self._landing.quarantine_schema,
            self._stream,
            table_uuid=self._raw.uuid,
            offsets=(offsets["min"], offsets["max"] + 1),
        )
        if not resolved.num_rows:
            return list(verdicts)
        due = []
        for verdict in verdicts:
            open_ = pc.invert(is_resolved(verdict.records, resolved))
            due.append(
                Verdict(
                    rows=verdict.rows.filter(open_),
                    records=verdict.records.filter(open_),
                    failing=verdict.failing,
                )
            )
        return due

    def _load(self, schema: str) -> TableState:
        name = TableName(schema=schema, name=self._stream)
        state = load_table(self._catalog, name)
        if state is None:
            raise HistoryError(f"there is no table {name}", hint=f"lake ingest run {self._stream}")
        return state

    def _deadline(self) -> Deadline:
        return Deadline.after(self._landing.deadline_seconds, self._clock)

    def _pause(self, attempt: int, deadline: Deadline) -> None:
        log.info("commit.conflict", table=str(self._raw.name), attempt=attempt)
        if deadline.expired():
            raise UnavailableError(
                "catalog", f"{self._raw.name}: other writers kept winning; the replay goes on when repeated"
            )
        deadline.pause(attempt, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)
