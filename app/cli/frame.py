"""What all commands share: output as text or JSON, errors as messages and exit codes, acts in the audit log.

Exit codes: 0 done · 1 internal error · 2 bad input · 3 configuration · 4 a service does not answer
or an outcome is unknown · 5 refused, moved or a proof failed · 130 interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lake.settings import Settings

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")]


def to_plain(value: Any) -> Any:
    """Turn dataclasses, enums and times into what JSON knows."""
    if is_dataclass(value) and not isinstance(value, type):
        return {k: to_plain(v) for k, v in asdict(value).items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def print_json(value: Any) -> None:
    """Print one JSON document to stdout and nothing else."""
    sys.stdout.write(json.dumps(to_plain(value), indent=2) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows as a table; tab-separated lines under a line of names when nobody watches."""
    if not out.is_terminal:
        for row in (columns, *rows):
            sys.stdout.write("\t".join(map(_cell, row)) + "\n")
        return
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*map(_cell, row))
    out.print(table)


def _cell(value: object) -> str:
    """Return what a cell shows: nothing for null, JSON for what has members."""
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(to_plain(value), ensure_ascii=False)
    return "" if value is None else str(value)


def say(line: str) -> None:
    """Print one line for people to stdout."""
    out.print(line, markup=False)


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the count done so far; a bar on a terminal, silent elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def act(settings: Settings, name: str, *, target: str = "", reason: str = "") -> Iterator[dict[str, Any]]:
    """Record a changing command in the audit log; refused when it can't be logged."""
    from lake.control import recorded

    with recorded(settings.postgres, name, target=target, reason=reason) as detail:
        yield detail
