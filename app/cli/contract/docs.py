"""`lake contract docs`: a page for each contract and an index, with who reads each stream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import frame
from app.cli.contract.change import find_readers
from lake.settings import find_project

if TYPE_CHECKING:
    from lake.mesh.impact import Affected


def docs(
    *, out: Annotated[Path | None, typer.Option(help="Folder; .lake/contracts when it is not given.")] = None
) -> None:
    """Write one Markdown page per contract and an index."""
    from lake.contracts import load_contracts
    from lake.contracts.derive.page import contract_page, index_page

    project = find_project()
    contracts = load_contracts(project.contracts)
    folder = out or project.state / "contracts"
    folder.mkdir(parents=True, exist_ok=True)
    for contract in contracts:
        readers = find_readers(project, contract.stream, contract.columns)
        page = contract_page(contract, [_line(reader) for reader in readers])
        (folder / f"{contract.stream}.md").write_text(page, encoding="utf-8")
    (folder / "index.md").write_text(index_page(contracts), encoding="utf-8")
    frame.say(f"{len(contracts) + 1} pages in {folder}")


def _line(reader: Affected) -> str:
    reads = f", reads {', '.join(reader.reads)}" if reader.reads else ""
    return f"{reader.name} (owner {reader.owner or 'nobody'}){reads}"
