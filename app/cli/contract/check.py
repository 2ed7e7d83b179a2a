"""`lake contract check`: is everything that the contracts say consistent, and may it be deployed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.cli import frame
from app.cli.contract.listing import summary
from lake.errors import LakeError, RefusedError, UnavailableError
from lake.settings import Project, find_project, load_settings

if TYPE_CHECKING:
    from ingest.deploy.review import Reviewed
    from lake.contracts import Contract


def check(*, as_json: frame.JsonFlag = False) -> None:
    """Say what doesn't fit: files, models, registry, what is deployed; exit code 5 when something doesn't."""
    from ingest.deploy.review import overdue
    from lake.contracts import load_contracts
    from lake.contracts.external import is_current

    project = find_project()
    contracts = load_contracts(project.contracts)
    current = is_current(contracts, project.external_models)
    reviewed, looked = _review(contracts)
    warnings = [*overdue(contracts, datetime.now(UTC).date()), *looked]
    if as_json:
        frame.print_json(
            {
                "contracts": [summary(c) for c in contracts],
                "external_models_current": current,
                "problems": [f"{r.contract.stream}: {p}" for r in reviewed for p in r.verdict.problems],
                "warnings": warnings,
            }
        )
    else:
        frame.say(f"{len(contracts)} contracts in {project.contracts} can be read")
    _refuse(project, contracts, reviewed, current=current)
    if not as_json:
        _say_state(project, reviewed, warnings)


def _review(contracts: Sequence[Contract]) -> tuple[tuple[Reviewed, ...], list[str]]:
    """Judge the contracts by what is deployed, as far as somebody knows it; and what is worth a warning."""
    from ingest.deploy.history import read_history
    from ingest.deploy.review import find_orphans, review

    try:
        history = read_history(load_settings().postgres)
    except UnavailableError as error:
        return review(contracts, {}), [f"what is deployed was not looked at: {error.message}"]
    orphans = [
        f"{stream} is deployed and has no contract here: its records still come"
        for stream in find_orphans(contracts, history)
    ]
    return review(contracts, history), orphans


def _refuse(
    project: Project, contracts: Sequence[Contract], reviewed: Sequence[Reviewed], *, current: bool
) -> None:
    """Raise for the first thing that keeps the contracts from being deployed as they are."""
    from ingest.deploy.plan import next_step, refusal
    from lake.contracts import StreamKind
    from lake.contracts.derive import check_ids, registered_schema
    from lake.contracts.external import FILE

    check_ids(registered_schema(c) for c in contracts if c.kind is StreamKind.TOPIC)
    problems: list[LakeError] = [
        RefusedError(refusal(r.contract, r.verdict), hint=next_step(r.contract, r.verdict))
        for r in reviewed
        if not r.verdict.allowed
    ]
    if not current:
        problems.append(
            RefusedError(
                f"{project.external_models / FILE} is not what the contracts say",
                hint="lake contract external --write",
            )
        )
    if problems:
        raise RefusedError("\n".join(p.message for p in problems), hint=problems[0].hint)


def _say_state(project: Project, reviewed: Sequence[Reviewed], warnings: Sequence[str]) -> None:
    from lake.contracts.external import FILE

    frame.say(f"{project.external_models / FILE} matches them")
    waiting = [r for r in reviewed if r.verdict.deployed and not r.verdict.is_deployed]
    for r in waiting:
        frame.say(f"{r.contract.stream} {r.verdict.deployed} → {r.verdict.version} may be deployed")
    for warning in warnings:
        frame.say(f"warning: {warning}")
