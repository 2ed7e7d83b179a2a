"""Landing from the broker to a queryable Iceberg table, per CPU second of the landing process.

JSON, Avro and Protobuf, each against the floor of the same run: consume, decode by the same library, and
Parquet on the local disk, with no check, no coordinates, no upload and no commit. Then what poison costs,
how fresh rows are at a steady rate, what a commit costs when there are many, and many streams at once.
Every measured part is a process of its own, on one stack of the benchmark's own.

By default two parts are shorter than the goals ask for, which is printed; `--full` runs all of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.results import Figure, write
from benchmarks.sandbox import temporary_stack
from benchmarks.streams.commits import commits
from benchmarks.streams.formats import formats, poison
from benchmarks.streams.freshness import freshness
from benchmarks.streams.many import many

RATE = 20_000
PARTS = ("formats", "poison", "freshness", "commits", "many")
FULL = {"records": 1_000_000, "minutes": 10.0, "commits": 10_000}
SHORT = {"records": 1_000_000, "minutes": 2.0, "commits": 300}


def main() -> None:
    """Run all parts, or those that are named."""
    asked = _arguments()
    if shorter := [f"{name} {getattr(asked, name):g} of {most:g}" for name, most in FULL.items()
                   if getattr(asked, name) < most]:  # fmt: skip
        print(f"shorter than the goals' own length (--full): {', '.join(shorter)}")
    with temporary_stack() as (project, settings):
        parts: dict[str, Callable[[], Iterator[Figure]]] = {
            "formats": partial(formats, project, settings, asked.records),
            "poison": partial(poison, project, settings, asked.records),
            "freshness": partial(freshness, project, settings, rate=asked.rate, seconds=60 * asked.minutes),
            "commits": partial(commits, project, settings, asked.commits),
            "many": partial(many, project, settings, 100),
        }
        figures = []
        for name in asked.only or PARTS:
            print(f"-- {name}", flush=True)
            figures += parts[name]()
    write("ingest", figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--full", action="store_true", help="the lengths that the goals are said for")
    parser.add_argument("--records", type=int, help="of each format, and of each poisoned topic")
    parser.add_argument("--commits", type=int, help="of one stream")
    parser.add_argument("--minutes", type=float, help="of steady producing")
    parser.add_argument("--rate", type=int, default=RATE, help="records a second while producing steadily")
    asked = parser.parse_args()
    for name, length in (FULL if asked.full else SHORT).items():
        if getattr(asked, name) is None:
            setattr(asked, name, length)
    return asked


if __name__ == "__main__":
    main()
