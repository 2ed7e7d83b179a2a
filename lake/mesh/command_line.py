"""Arguments of SQLMesh's own commands, read as those commands read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from lake.errors import BadInputError


def parse(command: click.Command, arguments: Sequence[str]) -> dict[str, Any]:
    """Return the parameters that arguments of a stock command stand for.

    Raises BadInputError with the command's own message.
    """
    name = f"sqlmesh {command.name}"
    try:
        return command.make_context(name, list(arguments)).params
    except click.UsageError as error:
        raise BadInputError(error.format_message(), hint=f"{name} --help") from error


def named_environment(command: click.Command, arguments: Sequence[str]) -> str:
    """Return the environment that arguments of a stock command name, empty when they name none."""
    return str(parse(command, arguments).get("environment") or "")
