"""Whether a contract may follow what is deployed: the level of compatibility, and the live table.

The level speaks for producers and consumers of records, as in Confluent's registry: BACKWARD asks that
the new version reads what the last one wrote, FORWARD the reverse, FULL both; the transitive ones ask it
of every version. The table speaks for those who read rows: it takes new columns, wider types and fewer
`required`, under every level. Each major version has a history and a table of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lake.contracts.contract import Compatibility, Contract
from lake.contracts.evolution.changes import Change, Effect, find_changes
from lake.contracts.fence import digest

_READS_OLD = frozenset(
    {
        Compatibility.BACKWARD,
        Compatibility.BACKWARD_TRANSITIVE,
        Compatibility.FULL,
        Compatibility.FULL_TRANSITIVE,
    }
)
_OLD_READS = frozenset(
    {
        Compatibility.FORWARD,
        Compatibility.FORWARD_TRANSITIVE,
        Compatibility.FULL,
        Compatibility.FULL_TRANSITIVE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a version may not be deployed; `change` is what is to blame, if one change is."""

    reason: str
    change: Change | None = None

    def __str__(self) -> str:
        return f"{self.change}: {self.reason}" if self.change else self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`changes` since the newest deployed version of the major (none deployed: all is new, no changes)."""

    stream: str
    version: str
    deployed: str  # the newest deployed version, empty when there is none
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]

    @property
    def allowed(self) -> bool:
        return not self.problems

    @property
    def is_deployed(self) -> bool:
        """Tell whether there is nothing to do."""
        return self.allowed and self.deployed == self.version

    @property
    def is_breaking(self) -> bool:
        """Tell whether only a new major version helps."""
        return any(problem.change is not None for problem in self.problems)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are touched, in order; those that are new have no reader yet."""
        touched = [c.column for c in self.changes if c.path and not _is_new_column(c)]
        return tuple(dict.fromkeys(touched))


def judge(new: Contract, history: Sequence[Contract]) -> Verdict:
    """Compare a contract with the deployed versions of its stream, oldest first; pure.

    A version that was deployed is final: its number is in rows, quarantine and records.
    """
    last = history[-1] if history else None
    if last is None:
        return Verdict(stream=new.stream, version=new.version, deployed="", changes=(), problems=())
    changes = find_changes(last, new)
    return Verdict(
        stream=new.stream,
        version=new.version,
        deployed=last.version,
        changes=changes,
        problems=(
            *_version_problems(new, last, changes),
            *_table_problems(changes),
            *_level_problems(new, history),
        ),
    )


def _version_problems(new: Contract, last: Contract, changes: tuple[Change, ...]) -> Sequence[Problem]:
    if _numbers(new) < _numbers(last):
        return (Problem(reason=f"version {new.version} is older than {last.version}, which is deployed"),)
    if new.version == last.version and digest(new) != digest(last):
        what = "; ".join(map(str, changes[:3])) or "it reads records otherwise"
        return (
            Problem(reason=f"version {new.version} is deployed and says something else ({what}): raise it"),
        )
    return ()


def _table_problems(changes: tuple[Change, ...]) -> Sequence[Problem]:
    return tuple(
        Problem(change=c, reason="the live table and its readers can't follow")
        for c in changes
        if c.effect is Effect.BREAKS
    )


def _level_problems(new: Contract, history: Sequence[Contract]) -> Sequence[Problem]:
    level = new.compatibility
    compared = history if level.value.endswith("TRANSITIVE") else history[-1:]
    found: list[Problem] = []
    for old in reversed(compared):
        for change in find_changes(old, new):
            if level in _READS_OLD and not change.reads_old:
                reason = f"{level.value}: {new.version} can't read all that {old.version} wrote"
            elif level in _OLD_READS and not change.old_reads:
                reason = f"{level.value}: {old.version} can't read all that {new.version} writes"
            else:
                continue
            found.append(Problem(change=change, reason=reason))
    return found


def _is_new_column(change: Change) -> bool:
    return change.effect is Effect.ADDS and change.path == change.column


def _numbers(contract: Contract) -> tuple[int, ...]:
    return tuple(map(int, contract.version.split(".")))
