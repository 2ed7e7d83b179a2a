"""What README and docs tell people to type exists, option by option."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import typer

from app.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "models" / "README.md"]
BLOCK = re.compile(r"^```(?:sh|console)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def typed_commands() -> list[tuple[str, str]]:
    """Return (page, command) of every line in a shell block, comments and prompts taken off."""
    found = []
    for page in PAGES:
        for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
            joined = block["body"].replace("\\\n", " ")
            for line in joined.splitlines():
                command = line.removeprefix("$ ").strip()
                if command and not command.startswith("#"):
                    found.append((page.name, command))
    return found


def resolve(arguments: list[str]) -> None:
    """Walk the command tree as click would, without running anything; raises on what doesn't exist."""
    command: click.Command = typer.main.get_command(cli)
    context = click.Context(command, info_name="lake")
    while isinstance(command, click.Group):
        if not arguments or arguments[0].startswith("-"):
            return
        name, arguments = arguments[0], arguments[1:]
        found = command.get_command(context, name)
        assert found is not None, f"no command {name}"
        command, context = found, click.Context(found, info_name=name, parent=context)
    if "--help" not in arguments:
        command.make_parser(context).parse_args(list(arguments))


def test_pages_hold_commands():
    """The pattern finds what people type; an empty list would prove nothing."""
    assert len(typed_commands()) >= 10


@pytest.mark.parametrize(("page", "line"), typed_commands())
def test_a_command_in_the_docs_exists(page: str, line: str):
    """Sub-commands, options and make targets are real."""
    for part in re.split(r"\s*(?:&&|\||;)\s*", line):
        words = [w for w in shlex.split(part, comments=True) if not re.match(r"[A-Z_]+=", w)]
        if words and words[0] == "lake":
            resolve(words[1:])
        elif words and words[0] == "make":
            assert all(w in MAKE_TARGETS for w in words[1:] if "=" not in w), f"{page}: {line}"
