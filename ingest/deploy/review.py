"""Hold a project's contracts against what is deployed: what may follow, what is missing or overdue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from lake.contracts import Contract, Status
from lake.contracts.evolution import Problem, Verdict, judge
from lake.contracts.union import migration_problems

History = Mapping[str, tuple[Contract, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """A contract and what its deploy would meet."""

    contract: Contract
    verdict: Verdict


def review(contracts: Sequence[Contract], history: History) -> tuple[Reviewed, ...]:
    """Judge every contract; a new major version also has to show the rows of the one before."""
    return tuple(
        Reviewed(contract=c, verdict=_with_migration(judge(c, history.get(c.stream, ())), c, contracts))
        for c in contracts
    )


def _with_migration(verdict: Verdict, contract: Contract, contracts: Sequence[Contract]) -> Verdict:
    missing = tuple(Problem(reason=reason) for reason in migration_problems(contract, contracts))
    if not missing:
        return verdict
    return Verdict(
        stream=verdict.stream,
        version=verdict.version,
        deployed=verdict.deployed,
        changes=verdict.changes,
        problems=(*verdict.problems, *missing),
    )


def find_orphans(contracts: Sequence[Contract], history: History) -> tuple[str, ...]:
    """Return the deployed streams that no contract describes any more; their records still come."""
    return tuple(sorted(set(history) - {c.stream for c in contracts}))


def overdue(contracts: Sequence[Contract], today: date) -> Iterator[str]:
    """Yield a warning for each version whose support has ended, or that is deprecated without an end."""
    for contract in contracts:
        if contract.status is not Status.DEPRECATED:
            continue
        if contract.end_of_support is not None and contract.end_of_support < today:
            days = (today - contract.end_of_support).days
            yield (
                f"{contract.stream} {contract.version} is deprecated and its support ended on"
                f" {contract.end_of_support}, {days} {'day' if days == 1 else 'days'} ago: it still lands"
            )
