"""`lake contract diff` and `deploy`: what a change means, whom it reaches, and carrying it out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import frame
from lake.errors import BadInputError, ConfigurationError, RefusedError
from lake.settings import Project, Settings, find_project, load_settings

if TYPE_CHECKING:
    from ingest.deploy.review import Reviewed
    from lake.contracts import Contract
    from lake.mesh.impact import Affected
    from lake.mesh.notices import Notice

Streams = Annotated[
    list[str] | None, typer.Argument(metavar="[STREAM]...", help="All that changed when none is named.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A reviewed contract and who reads what it touches."""

    reviewed: Reviewed
    affected: tuple[Affected, ...]


def diff(streams: Streams = None, *, as_json: frame.JsonFlag = False) -> None:
    """Show what changed since the deployed versions, who reads it, and whether it may be deployed."""
    from ingest.deploy.history import read_history
    from ingest.deploy.plan import next_step, refusal
    from ingest.deploy.review import review
    from lake.contracts import load_contracts

    settings, project = load_settings(), find_project()
    contracts = load_contracts(project.contracts)
    history = read_history(settings.postgres)
    chosen = _choose(review(contracts, history), streams)
    shown = [r for r in chosen if streams or not r.verdict.is_deployed]
    found = [Difference(reviewed=r, affected=_affected(project, r, contracts)) for r in shown]
    if as_json:
        frame.print_json([_document(d) for d in found])
    else:
        for difference in found:
            _say(difference)
        if not found:
            frame.say("every contract is the deployed one")
    refused = [d.reviewed for d in found if not d.reviewed.verdict.allowed]
    if refused:
        lines = [refusal(r.contract, r.verdict) for r in refused]
        raise RefusedError("\n".join(lines), hint=next_step(refused[0].contract, refused[0].verdict))


def deploy(
    streams: Streams = None, *, reason: frame.ReasonOption = "", as_json: frame.JsonFlag = False
) -> None:
    """Bring live tables to their contracts, without a stop; tell the owners of what reads them."""
    from ingest.deploy.history import read_history
    from ingest.deploy.review import review
    from lake.catalog import open_catalog
    from lake.contracts import load_contracts

    settings, project = load_settings(), find_project()
    contracts = load_contracts(project.contracts)
    history = read_history(settings.postgres)
    catalog = open_catalog(settings)
    done: list[dict[str, Any]] = []
    for reviewed in _choose(review(contracts, history), streams):
        recorded = any(
            c.version == reviewed.contract.version for c in history.get(reviewed.contract.stream, ())
        )
        done.append(
            _deploy_one(settings, project, catalog, contracts, reviewed, recorded=recorded, reason=reason)
        )
        if not as_json:
            frame.say("{stream} {version}: {done}".format(**done[-1]))
            for line in done[-1]["notices"]:
                frame.say(f"  notice: {line}")
    if as_json:
        frame.print_json(done)


def _deploy_one(
    settings: Settings,
    project: Project,
    catalog: Any,
    contracts: Sequence[Contract],
    reviewed: Reviewed,
    *,
    recorded: bool,
    reason: str,
) -> dict[str, Any]:
    from ingest.deploy.apply import apply_deploy, read_standings
    from ingest.deploy.plan import Kind, plan_deploy
    from ingest.deploy.views import put_union
    from lake.clock import SystemClock
    from lake.contracts import StreamKind

    contract, verdict = reviewed.contract, reviewed.verdict
    is_topic = contract.kind is StreamKind.TOPIC
    sharing = {c.stream: c for c in contracts if c is contract or (is_topic and c.topic == contract.topic)}
    standings = read_standings(catalog, settings, sharing)
    plan = plan_deploy(contract, contracts, verdict, standings, recorded=recorded)
    result: dict[str, Any] = {"stream": contract.stream, "version": contract.version, "notices": []}
    if plan.kind is Kind.NOTHING:
        put_union(catalog, settings.landing, contract, contracts)
        return {**result, "done": "is deployed already"}
    with frame.act(settings, "contract.deploy", target=contract.stream, reason=reason) as detail:
        detail |= {
            "from": verdict.deployed,
            "to": contract.version,
            "changes": [str(c) for c in verdict.changes],
        }
        apply_deploy(catalog, settings, plan, standings, SystemClock())
        put_union(catalog, settings.landing, contract, contracts)
        notices = _notify(project, contract, contracts, _affected(project, reviewed, contracts))
        detail["notices"] = notices
    steps = "; ".join(map(str, plan.growth)) or "no column changes"
    after = f"{verdict.deployed} → {contract.version}" if verdict.deployed else "first version"
    return {**result, "done": f"deployed, {after}, {steps}", "notices": notices}


def _choose(reviewed: Sequence[Reviewed], streams: list[str] | None) -> list[Reviewed]:
    by_stream = {r.contract.stream: r for r in reviewed}
    if unknown := [name for name in streams or () if name not in by_stream]:
        raise BadInputError(
            f"there is no contract of {', '.join(unknown)}; known: {', '.join(by_stream)}",
            hint="lake contract list",
        )
    return [by_stream[name] for name in streams or by_stream]


def _affected(project: Project, reviewed: Reviewed, contracts: Sequence[Contract]) -> tuple[Affected, ...]:
    """Return who reads the touched columns; of a new major version, who reads the table of the one before."""
    from lake.contracts.union import find_predecessor

    stream, columns = reviewed.contract.stream, reviewed.verdict.columns
    before = find_predecessor(reviewed.contract, contracts)
    if not reviewed.verdict.deployed and before is not None:
        stream, columns = before.stream, before.columns
    return find_readers(project, stream, columns)


def find_readers(project: Project, stream: str, columns: Sequence[str]) -> tuple[Affected, ...]:
    """Return who reads columns of a stream's table, directly or through others; told when nobody can say."""
    from lake.mesh.graph import read_graph
    from lake.mesh.impact import find_affected
    from lake.mesh.readers import read_readers

    if not columns or not (project.root / "models").is_dir():
        return ()
    try:
        graph = read_graph(project)
        models = {node.name: project.root / node.path for node in graph.nodes if node.path}
        readers = read_readers(project.root, models)
    except ConfigurationError as error:
        frame.err.print(f"warning: who reads {stream} is not known: {error.message}", markup=False)
        return ()
    return find_affected(graph, readers, f"raw.{stream}", columns)


def _notify(
    project: Project, contract: Contract, contracts: Sequence[Contract], affected: Sequence[Affected]
) -> list[str]:
    from lake.mesh.notices import send_notices

    lines = []
    for delivered in send_notices(project.root, list(_notices(contract, contracts, affected))):
        by = ", ".join(delivered.channels) or "no channel but the log"
        lines.append(f"{delivered.notice.owner} ({by}): {delivered.notice.text}")
        lines += [f"{delivered.notice.owner}: not sent by {failure}" for failure in delivered.failures]
    return lines


def _notices(
    contract: Contract, contracts: Sequence[Contract], affected: Sequence[Affected]
) -> Iterator[Notice]:
    """Write one notice for each owner, naming what is theirs."""
    from lake.contracts.union import SUFFIX, find_predecessor
    from lake.mesh.notices import Notice

    before = find_predecessor(contract, contracts)
    by_owner: dict[str, list[str]] = {}
    for reader in affected:
        by_owner.setdefault(reader.owner or "nobody", []).append(reader.name)
    for owner, names in sorted(by_owner.items()):
        text = f"{contract.stream} {contract.version} is deployed; it touches what {', '.join(names)} reads"
        if before is not None and before.end_of_support is not None:
            text += (
                f". {before.stream} is supported until {before.end_of_support}:"
                f" read raw.{contract.stream}{SUFFIX} instead"
            )
        yield Notice(owner=owner, text=text)


def _say(difference: Difference) -> None:
    contract, verdict = difference.reviewed.contract, difference.reviewed.verdict
    since = (
        f"{verdict.deployed} → {verdict.version}" if verdict.deployed else f"{verdict.version}, not deployed"
    )
    frame.say(f"{contract.stream} {since} ({contract.compatibility.value}, owner {contract.owner})")
    if verdict.changes:
        rows = [
            (str(c), "yes" if c.reads_old else "no", "yes" if c.old_reads else "no", c.effect.value)
            for c in verdict.changes
        ]
        frame.print_table("Changes", ("change", "new reads old", "old reads new", "table"), rows)
    if difference.affected:
        readers = [
            (a.name, a.owner, ", ".join(a.reads), ", ".join(a.columns) or "which rows", a.file)
            for a in difference.affected
        ]
        frame.print_table("Read by", ("reader", "owner", "reads", "gives", "file"), readers)
    if verdict.allowed:
        frame.say("may be deployed: lake contract deploy " + contract.stream)


def _document(difference: Difference) -> dict[str, Any]:
    verdict = difference.reviewed.verdict
    return {
        **asdict(verdict),
        "problems": [str(p) for p in verdict.problems],
        "allowed": verdict.allowed,
        "affected": [asdict(a) for a in difference.affected],
    }
