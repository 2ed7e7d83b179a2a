"""`calendar`, `replay` and `live`: wire calendar, streams and topics together and print a report."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from demo.calendar import Calendar
from demo.clock import SystemClock
from demo.data import promotion_count, promotions_file
from demo.live import LiveStream, follow
from demo.replay import StreamReport, replay
from demo.sequence import Sequence
from demo.state import fix_calendar, only_producer, read_calendar
from demo.streams import STREAMS, Stream
from demo.topic import Topic

KAFKA_PASSWORD = "DEMO_KAFKA_PASSWORD"  # noqa: S105 - the name of a variable
err = Console(stderr=True, highlight=False, soft_wrap=True)


def run_calendar(args: argparse.Namespace) -> None:
    """Fix the demo's time, or show how it is fixed."""
    calendar = fix_calendar(args.state, now=SystemClock().now(), as_of=args.as_of)
    described = _describe(calendar)
    _print(args, described, [f"{name}: {value}" for name, value in described.items()])


def run_replay(args: argparse.Namespace) -> None:
    """Produce all that is due at the demo's fixed time."""
    clock = SystemClock()
    began = clock.monotonic()
    calendar = fix_calendar(args.state, now=clock.now(), as_of=args.as_of)
    reports = []
    with only_producer(args.state):
        for stream in _chosen(args):
            sequence = Sequence(stream, calendar)
            with _bar(stream.name, sum(sequence.due(calendar.now_seconds))) as progress:
                reports.append(
                    replay(
                        sequence,
                        _topic(args, stream),
                        calendar,
                        clock=clock,
                        rate=args.rate,
                        progress=progress,
                    )
                )
    _print(
        args,
        {
            "calendar": _describe(calendar),
            "streams": [asdict(report) for report in reports],
            "seconds": round(clock.monotonic() - began, 3),
        },
        [_line(report) for report in reports],
    )


def run_live(args: argparse.Namespace) -> None:
    """Produce what is still to come when it is due."""
    clock = SystemClock()
    calendar = read_calendar(args.state)
    with only_producer(args.state):
        streams = [LiveStream(Sequence(s, calendar), _topic(args, s), clock=clock) for s in _chosen(args)]
        try:
            drained = follow(streams, clock=clock, say=err.print, until=args.until)
        finally:
            reports = [stream.report() for stream in streams]
            left = sum(report.not_yet_due for report in reports)
            _print(
                args,
                {"streams": [asdict(report) for report in reports], "left": left},
                [f"{r.stream}: {r.produced:,} produced, {r.not_yet_due:,} still to come" for r in reports],
            )
    err.print("no events are left: the year is complete" if drained else f"{left:,} events are still to come")


def _chosen(args: argparse.Namespace) -> list[Stream]:
    return [stream for stream in STREAMS if not args.stream or stream.name in args.stream]


def _topic(args: argparse.Namespace, stream: Stream) -> Topic:
    return Topic(_client(args), f"{args.topic_prefix}{stream.name}", partitions=stream.partitions)


def _client(args: argparse.Namespace) -> dict[str, Any]:
    """Return how to connect; the password comes from the environment, as arguments can be seen by all."""
    client = {"bootstrap.servers": args.bootstrap, "security.protocol": args.security_protocol}
    if args.ca_file is not None:
        client["ssl.ca.location"] = str(args.ca_file)
    if args.security_protocol.startswith("SASL"):
        client |= {
            "sasl.mechanism": args.sasl_mechanism,
            "sasl.username": args.sasl_username,
            "sasl.password": os.environ.get(KAFKA_PASSWORD, ""),
        }
    return client


def run_promotions(args: argparse.Namespace) -> None:
    """Say where the file of promotions lies and how many rows it has."""
    path, rows = promotions_file(), promotion_count()
    _print(args, {"file": str(path), "rows": rows}, [f"{rows:,} rows in {path}"])


def _describe(calendar: Calendar) -> dict[str, Any]:
    return {
        "now": f"{calendar.now:%Y-%m-%dT%H:%M:%SZ}",
        "shift_weeks": calendar.weeks,
        "first_day": calendar.first_day.isoformat(),
        "last_sunday": calendar.last_sunday.isoformat(),
    }


def _line(report: StreamReport) -> str:
    done = "already done" if not report.produced else f"{report.produced:,} produced"
    return (
        f"{report.topic}: {done}; source {report.source:,} + planted {report.planted} ="
        f" produced {report.produced_total:,} + not yet due {report.not_yet_due:,} ({report.seconds:.1f} s)"
    )


def _print(args: argparse.Namespace, document: dict[str, Any], lines: list[str]) -> None:
    sys.stdout.write(json.dumps(document) + "\n" if args.json else "\n".join(lines) + "\n")
    sys.stdout.flush()


@contextmanager
def _bar(name: str, total: int) -> Iterator[Any]:
    """Yield what hears the count so far; a bar on a terminal, nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(name, total=total)
        yield lambda done: bar.update(task, completed=done)
