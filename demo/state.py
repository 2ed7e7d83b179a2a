"""`demo.json`: the calendar, fixed by whichever command runs first and never changed after that."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from demo.calendar import Calendar, midnight
from demo.errors import BadArgumentError


def fix_calendar(path: Path, *, now: datetime, as_of: date | None = None) -> Calendar:
    """Return the calendar kept in `path`; write it first when there is none.

    `now` is the time of this call; `as_of` asks for 00:00 UTC of that day in its place, which only
    the first run can do (asking again for the same day is fine). Two first runs at once agree:
    the file appears in one step and the slower one reads it.
    """
    if as_of is not None and midnight(as_of) > now:
        raise BadArgumentError(
            f"--as-of {as_of} is in the future", hint="give today or a day in the past, as 2026-11-01"
        )
    if not path.exists():
        _write_once(path, Calendar.at(now if as_of is None else midnight(as_of)))
    calendar = read_calendar(path)
    if as_of is not None and calendar.now != midnight(as_of):
        raise BadArgumentError(
            f"the demo's time is fixed at {_text(calendar.now)} since its first run; --as-of can't move it",
            hint=f"leave --as-of out, or begin a new demo in an empty folder (the file is {path})",
        )
    return calendar


def read_calendar(path: Path) -> Calendar:
    """Read the calendar of an earlier run.

    Raises BadArgumentError when there is none, or when the file isn't what this module wrote.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        calendar = Calendar(now=datetime.fromisoformat(document["now"]), weeks=int(document["shift_weeks"]))
    except FileNotFoundError as error:
        raise BadArgumentError(f"{path}: no demo has run here yet", hint="lake demo run") from error
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadArgumentError(f"{path} is damaged: {error!r}", hint="restore it from a backup") from error
    if calendar != Calendar.at(calendar.now):
        raise BadArgumentError(
            f"{path} was edited: {calendar.weeks} weeks don't belong to {_text(calendar.now)}",
            hint="restore it: what was produced depends on it",
        )
    return calendar


@contextmanager
def only_producer(path: Path) -> Iterator[None]:
    """Hold the lock beside the state file: two producers at once would write the same events twice.

    The system lets it go when the process ends, however it ends.
    """
    lock = path.with_name(path.name + ".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadArgumentError(
                "another replay or live run of this demo is producing",
                hint="wait for it, or stop it with Ctrl-C",
            ) from error
        yield


def _write_once(path: Path, calendar: Calendar) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"now": _text(calendar.now), "shift_weeks": calendar.weeks}, file)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return  # somebody was faster: theirs is the first run
    finally:
        Path(name).unlink()


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
