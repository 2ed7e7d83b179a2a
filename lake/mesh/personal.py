"""Which columns of models hold personal data: contracts tag the sources, queries carry it on.

A column is personal when its expression hands on the value of one that is: through renaming, casts,
functions and CASE, joins and unions, MIN and MAX. Counts, sums and averages hand no person's value on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.scope import build_scope

from lake.contracts import load_contracts
from lake.errors import first_line
from lake.log import get_logger
from lake.settings import Project

log = get_logger("mesh")

RAW = "raw"  # what models call the schema of landing, whatever the settings say
Column = tuple[str, str]  # (schema.name of the table, column), in lower case
_HANDED_ON = (exp.Min, exp.Max, exp.AnyValue, exp.First, exp.Last, exp.ArrayAgg, exp.ArgMax, exp.ArgMin)


def tagged_columns(project: Project) -> dict[Column, bool]:
    """Return the columns of landing tables that a contract tags, each with whether a key has it.

    Of a struct with a tagged member the whole column counts.
    """
    if not project.contracts.is_dir():
        return {}
    contracts = load_contracts(project.contracts)
    keys = {name for contract in contracts for name in contract.primary_key}
    return {
        (f"{RAW}.{contract.stream}", (name := path.split(".")[0].lower())): name in keys
        for contract in contracts
        for path in contract.pii
    }


def personal_outputs(
    query: exp.Query, columns: Collection[str], known: Mapping[Column, bool]
) -> dict[str, bool]:
    """Return the output columns that are personal, each with whether it is a key.

    The query is qualified, its stars expanded. `known` holds the personal columns of the tables that it
    reads, with the same. A column that can't be followed counts as handing on whatever has its name.
    """
    found: dict[str, bool] = {}
    scope = build_scope(query)
    for name in columns:
        try:
            traced = lineage(name, query, dialect="duckdb", scope=scope, trim_selects=False, copy=False)
            sources = _sources(traced, {})
        except (SqlglotError, ValueError) as error:
            log.warning("personal.by_name", column=name, reason=first_line(error))
            sources = {source for source in known if source[1] == name.lower()}
        reached = [known[source] for source in sources if source in known]
        if reached:
            found[name] = all(reached)
    return found


def _sources(node: Node, done: dict[int, set[Column]]) -> set[Column]:
    """Return the table columns whose values reach a node; each node is asked once, however many read it."""
    if id(node) not in done:
        done[id(node)] = _find_sources(node, done)
    return done[id(node)]


def _find_sources(node: Node, done: dict[int, set[Column]]) -> set[Column]:
    if isinstance(node.expression, exp.Table):
        table = node.expression
        return {(f"{table.db}.{table.name}".lower(), node.name.split(".")[-1].strip('"').lower())}
    columns = list(node.expression.find_all(exp.Column))
    summed = {_label(column) for column in columns if _is_summed(column)}
    summed -= {_label(column) for column in columns if not _is_summed(column)}
    found: set[Column] = set()
    for child in node.downstream:
        if child.name.replace('"', "").lower() not in summed:
            found |= _sources(child, done)
    return found


def _is_summed(column: exp.Column) -> bool:
    aggregate = column.find_ancestor(exp.AggFunc)
    return aggregate is not None and not isinstance(aggregate, _HANDED_ON)


def _label(column: exp.Column) -> str:
    return f"{column.table}.{column.name}".lower()
