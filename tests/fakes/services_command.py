"""`lake` with the service commands alone: starts faster and needs no other room."""

from __future__ import annotations

import sys

import typer

from app.cli import services
from app.cli.frame import err
from lake.errors import LakeError
from lake.log import configure

if __name__ == "__main__":
    configure(level="WARNING")
    cli = typer.Typer()
    services.register(cli)
    try:
        cli()
    except LakeError as error:
        err.print(f"error: {error}", markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
