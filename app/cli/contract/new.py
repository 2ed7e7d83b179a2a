"""`lake contract new`: a first contract from a sample, or the next major version of one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import frame
from lake.errors import BadInputError
from lake.settings import Project, find_project, load_settings

if TYPE_CHECKING:
    from ingest.sample import Records

_SUPPORT_DAYS = 180


def new(
    stream: str,
    *,
    topic: Annotated[str, typer.Option(help="Guess from the first records of this topic.")] = "",
    url: Annotated[str, typer.Option(help="Guess from one JSON answer of this address.")] = "",
    file: Annotated[
        Path | None, typer.Option(help="Guess from a .csv, .json, .ndjson or .parquet file.")
    ] = None,
    major: Annotated[bool, typer.Option("--major", help="Begin the next major version instead.")] = False,
    source: Annotated[str, typer.Option(help="Source of the extract, for --url and --file.")] = "files",
    owner: Annotated[str, typer.Option(help="Who owns the stream.")] = "unknown",
    sample: Annotated[int, typer.Option(help="How many records to look at.")] = 1000,
) -> None:
    """Write ingest/contracts/STREAM.yaml from a sample; a person reviews what is marked "Review:"."""
    project = find_project()
    if major:
        _next_major(project, stream)
        return
    if sum(map(bool, (topic, url, file))) != 1:
        raise BadInputError(
            "name one sample", hint=f"lake contract new {stream} --topic T, --url U or --file F"
        )
    from lake.contracts import parse_contract
    from lake.contracts.infer import Origin, guess_columns, write_contract

    path = project.contracts / f"{stream}.yaml"
    if path.exists():
        raise BadInputError(
            f"{path} is there already", hint=f"lake contract new {stream} --major, or remove it"
        )
    records = _sample(topic, url, file, sample)
    guessed = guess_columns(records)
    origin = Origin(stream=stream, owner=owner, topic=topic, source=source, resource="" if topic else stream)
    text = write_contract(guessed, origin, sampled=len(records))
    parse_contract(text, file=str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    frame.say(f"{path} written from {len(records)} records: {len(guessed.columns)} columns")
    for line in guessed.left_out:
        frame.say(f"left out: {line}")
    frame.say("review what is marked Review: in it, then lake contract external --write; lake contract check")


def _sample(topic: str, url: str, file: Path | None, count: int) -> Records:
    from ingest.sample import sample_file, sample_topic, sample_url

    if topic:
        return sample_topic(load_settings().broker, topic, count=count)
    return sample_url(url, count=count) if url else sample_file(file or Path(), count=count)


def _next_major(project: Project, family: str) -> None:
    """Keep the newest version as <family>.v<major>.yaml, deprecated, and begin the next one as its copy."""
    from lake.contracts import load_contracts, parse_contract

    found = [c for c in load_contracts(project.contracts) if c.family == family]
    if not found:
        raise BadInputError(f"there is no contract of {family}", hint="lake contract list")
    newest = max(found, key=lambda c: c.major)
    path = Path(newest.file)
    kept = path.with_name(f"{family}.v{newest.major}.yaml")
    if kept.exists():
        raise BadInputError(f"{kept} is there already", hint=f"edit {path}")
    end = (datetime.now(UTC) + timedelta(days=_SUPPORT_DAYS)).date()
    old = _deprecated(newest.text, end.isoformat())
    version = f"{newest.major + 1}.0.0"
    text = newest.text.replace(f"version: {newest.version}", f"version: {version}", 1)
    text = re.sub(
        r"( *)- property: subject\n *value: .*\n", "", text
    )  # each version has a subject of its own
    parse_contract(old, file=str(kept))
    parse_contract(text, file=str(path))
    kept.write_text(old, encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    frame.say(f"{kept}: {newest.version}, deprecated, supported until {end}")
    frame.say(
        f"{path}: {version}; make the change here, give changed columns a migration, then lake contract check"
    )


def _deprecated(text: str, end: str) -> str:
    entry = f"  - property: endOfSupport\n    value: '{end}'\n"
    if re.search(r"^status:.*$", text, re.MULTILINE):
        text = re.sub(r"^status:.*$", "status: deprecated", text, count=1, flags=re.MULTILINE)
    else:
        text = re.sub(r"^(version:.*)$", r"\1\nstatus: deprecated", text, count=1, flags=re.MULTILINE)
    if re.search(r"^slaProperties:\s*$", text, re.MULTILINE):
        return re.sub(r"^slaProperties:\s*\n", f"slaProperties:\n{entry}", text, count=1, flags=re.MULTILINE)
    return re.sub(r"^schema:", f"slaProperties:\n{entry}schema:", text, count=1, flags=re.MULTILINE)
