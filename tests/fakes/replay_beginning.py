"""Replay the first rows of the year: a child process for tests that kill it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime

import polars as pl

from demo import data
from demo.calendar import Calendar
from demo.clock import SystemClock
from demo.replay import replay
from demo.sequence import Sequence
from demo.streams import TRANSACTIONS
from demo.topic import Topic

CALENDAR = Calendar.at(datetime(2026, 11, 23, tzinfo=UTC))
ROWS = 200_000


def beginning() -> pl.DataFrame:
    return data.transactions().head(ROWS)


def main(bootstrap: str, topic: str) -> None:
    report = replay(
        Sequence(TRANSACTIONS, CALENDAR, rows=beginning()),
        Topic({"bootstrap.servers": bootstrap}, topic, partitions=TRANSACTIONS.partitions),
        CALENDAR,
        clock=SystemClock(),
    )
    sys.stdout.write(json.dumps(asdict(report)))


if __name__ == "__main__":
    main(*sys.argv[1:])
