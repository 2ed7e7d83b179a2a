"""Entry point: the tree of commands and the one boundary where errors become exit codes."""

from __future__ import annotations

import sys

import typer

from app.cli import (
    connect,
    console,
    contract,
    demo,
    env,
    extract,
    gateway,
    history,
    ingest,
    init,
    land,
    maintain,
    plan,
    quarantine,
    services,
    sql,
    sync,
    trino,
)
from app.cli.frame import err
from ingest.memory import collect_rarely
from lake.errors import LakeError
from lake.log import configure
from lake.settings import log_level

cli = typer.Typer(
    name="lake",
    help="lakemesh: land, transform and activate, in one repository.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
init.register(cli)
services.register(cli)
cli.add_typer(ingest.cli, name="ingest")
cli.add_typer(extract.cli, name="extract")
cli.add_typer(quarantine.cli, name="quarantine")
cli.add_typer(gateway.cli, name="gateway")
cli.add_typer(connect.cli, name="connect")
cli.add_typer(contract.cli, name="contract")
cli.add_typer(env.cli, name="env")
plan.register(cli)
history.register(cli)
cli.add_typer(sync.cli, name="sync")
cli.add_typer(demo.cli, name="demo")
land.register(cli)
cli.add_typer(trino.cli, name="trino")
sql.register(cli)
console.register(cli)
maintain.register(cli)


def main() -> None:
    """Run the command line; the exit codes are those of `app.cli.frame`."""
    collect_rarely()  # modules are never garbage: else a tenth of a command's time goes into looking
    configure(level=log_level())
    try:
        cli(standalone_mode=True)
    except LakeError as error:
        err.print(f"error: {error}", markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(130)


if __name__ == "__main__":
    main()
