"""What the contracts of marts promised when prod was last planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lake.postgres import connect, json_value, read_sections
from lake.settings import PostgresSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class MartContract:
    """One mart's published columns with their types (as DuckDB writes them), and who counts on them."""

    model: str
    version: str
    columns: Mapping[str, str]
    consumers: Sequence[str] = field(default=())

    @property
    def major(self) -> int:
        return int(self.version.split(".", maxsplit=1)[0])


def write_mart_contracts(
    settings: PostgresSettings, contracts: Sequence[MartContract], *, plan_id: str
) -> None:
    """Make these the promises that the next plan is held to; others are forgotten."""
    sections = read_sections("lake.control", "published.sql")
    with connect(settings) as connection:
        connection.execute(sections["forget_contracts"], {"models": [c.model for c in contracts]})
        for contract in contracts:
            connection.execute(
                sections["put_contract"],
                {
                    "model": contract.model,
                    "version": contract.version,
                    "columns": json_value(dict(contract.columns)),
                    "consumers": json_value(list(contract.consumers)),
                    "plan_id": plan_id,
                },
            )


def read_mart_contracts(settings: PostgresSettings) -> tuple[MartContract, ...]:
    """Return the promises by model."""
    with connect(settings) as connection:
        rows = connection.execute(read_sections("lake.control", "published.sql")["contracts"]).fetchall()
    return tuple(MartContract(**row) for row in rows)
