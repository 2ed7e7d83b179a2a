"""Replay quarantined records under a contract: what `lake quarantine replay` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from ingest.care import TableCare
from ingest.quarantine.cause import Cause
from ingest.quarantine.reading import QuarantineReader
from ingest.replay.judge import ReplayJudge
from ingest.replay.plan import by_partition, plan_chunks
from ingest.replay.tables import ReplayTables, Who
from ingest.schemas import open_desk
from lake.clock import Clock
from lake.contracts import Contract
from lake.errors import BadInputError
from lake.log import get_logger

log = get_logger("replay")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What a replay did: of `found` open records so many landed, `elsewhere` were resolved meanwhile.

    `failing` counts those that stay, by the first cause why.
    """

    stream: str
    contract_version: str
    found: int
    landed: int
    elsewhere: int
    commits: int
    failing: Mapping[str, int]


def choose_contract(contracts: Sequence[Contract], stream: str, version: str = "") -> Contract:
    """Return the stream's contract, the newest or the one whose version is or begins with `version`.

    Raises BadInputError when there is none.
    """
    own = sorted((c for c in contracts if c.stream == stream), key=lambda c: _numbers(c.version))
    wanted = version.removeprefix("v")
    fitting = [c for c in own if not wanted or f"{c.version}.".startswith(f"{wanted}.")]
    if not fitting:
        known = ", ".join(c.version for c in own) or "none"
        raise BadInputError(
            f"{stream} has no contract{f' of version {wanted}' if wanted else ''}; there is: {known}",
            hint="lake contract check",
        )
    return fitting[-1]


def replay(
    reader: QuarantineReader,
    contract: Contract,
    *,
    cause: Cause | None,
    who: Who,
    clock: Clock,
) -> ReplayReport:
    """Land the open records of a stream (of one cause, or all) that pass the contract now.

    They keep their coordinate in `meta`. What still fails stays open with its first reason. Safe to repeat,
    to kill and to run beside landing and beside other replays: each record lands once.
    Raises what `lake.catalog.commit` raises, HistoryError when tables were rolled back or changed by hand,
    ContractMovedError when the table is held to another contract, or is by the time of a commit.
    """
    stream, catalog, landing = contract.stream, reader.session.catalog, reader.settings.landing
    landed = passed = commits = 0
    failing: Counter[Cause] = Counter()
    with (
        closing(TableCare(catalog, clock)) as care,
        closing(open_desk(reader.settings, [contract], clock)) as schemas,
    ):
        tables = ReplayTables(catalog, landing, contract, who=who, clock=clock, care=care)
        tables.begin()
        found = reader.open_records(stream, cause)
        judge = ReplayJudge(contract, clock, schemas)
        for chunk in plan_chunks(found):
            verdicts = [judge.judge(part, reader.contents(stream, part)) for part in by_partition(chunk)]
            due = sum(v.records.num_rows for v in verdicts)
            if due:
                done = tables.land(verdicts)
                landed, commits = landed + done, commits + bool(done)
            passed += due
            for verdict in verdicts:
                failing += verdict.failing
        tables.finish()
    log.info("replay.done", stream=stream, landed=landed, failing=failing.total())
    return ReplayReport(
        stream=stream,
        contract_version=contract.version,
        found=found.num_rows,
        landed=landed,
        elsewhere=passed - landed,
        commits=commits,
        failing={str(cause): count for cause, count in failing.most_common()},
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
