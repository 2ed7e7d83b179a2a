"""`python -m demo <command>`: the source systems, each a command.

Exit codes: 0 done · 1 internal error · 2 bad argument · 4 the broker does not answer
· 5 a topic holds what this replayer has not written · 130 interrupted.
"""

from __future__ import annotations

import argparse
import signal
import sys
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from types import FrameType

from demo.errors import DemoError

DEFAULT_STATE = Path(".lake/demo.json")
SEED = 973  # of no meaning, but a first run of the demo meets each kind of fault once
STREAM_NAMES = ("transactions", "coupon_redemptions")
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
# Where each command lives: imported when it is asked for, as the CRM needs neither polars nor Kafka.
COMMANDS = {
    "calendar": ("demo.commands", "run_calendar"),
    "replay": ("demo.commands", "run_replay"),
    "live": ("demo.commands", "run_live"),
    "promotions": ("demo.commands", "run_promotions"),
    "retail": ("demo.retail.command", "run"),
    "crm": ("demo.crm.command", "run"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = parser().parse_args(argv)
    module, function = COMMANDS[args.command]
    try:
        getattr(import_module(module), function)(args)
    except DemoError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the same command goes on where this one stopped\n")
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe all commands."""
    root = argparse.ArgumentParser(prog="python -m demo", description="The demo's source systems.")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    calendar = commands.add_parser("calendar", help="fix the demo's time, or show it")
    _add_state(calendar)
    _add_as_of(calendar)
    _add_json(calendar)

    replay = commands.add_parser("replay", help="produce all events that are due at the demo's time")
    _add_state(replay)
    _add_as_of(replay)
    _add_broker(replay)
    replay.add_argument("--rate", type=_positive, metavar="N", help="events per second (default: full speed)")
    _add_json(replay)

    live = commands.add_parser("live", help="produce the later events when they are due")
    _add_state(live)
    _add_broker(live)
    live.add_argument("--until", type=_moment, metavar="TIME", help="stop then (ISO 8601, UTC)")
    _add_json(live)

    promotions = commands.add_parser("promotions", help="say where the file of promotions lies")
    _add_json(promotions)

    retail = commands.add_parser("retail", help="serve the retail API; its token is $DEMO_RETAIL_TOKEN")
    _add_state(retail)
    _add_server(retail, faults=0.05)

    crm = commands.add_parser("crm", help="serve the CRM; its token is $DEMO_CRM_TOKEN")
    crm.add_argument(
        "--db", type=Path, required=True, metavar="FILE", help="SQLite file that keeps the contacts"
    )
    _add_server(crm, faults=0.05)
    crm.add_argument("--latency", type=_not_negative, default=0.02, metavar="SECONDS", help="of each answer")
    crm.add_argument("--requests-per-second", type=_positive, default=20.0, metavar="N", help="before 429")
    return root


def _add_state(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--state", type=Path, default=DEFAULT_STATE, metavar="FILE", help=f"default {DEFAULT_STATE}"
    )


def _add_as_of(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--as-of", type=_day, metavar="DATE", help="make it that day, 00:00 UTC (first run only)"
    )


def _add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON for programs")


def _add_broker(command: argparse.ArgumentParser) -> None:
    command.add_argument("--bootstrap", required=True, metavar="HOST:PORT", help="Kafka API")
    command.add_argument("--topic-prefix", default="", metavar="P", help="before each topic's name")
    command.add_argument(
        "--stream", action="append", choices=STREAM_NAMES, help="only this (may be repeated)"
    )
    command.add_argument("--security-protocol", choices=PROTOCOLS, default="PLAINTEXT")
    command.add_argument("--sasl-mechanism", default="SCRAM-SHA-512")
    command.add_argument("--sasl-username", default="", help="the password is $DEMO_KAFKA_PASSWORD")
    command.add_argument("--ca-file", type=Path, metavar="FILE", help="certificates to trust")


def _add_server(command: argparse.ArgumentParser, *, faults: float) -> None:
    command.add_argument(
        "--port", type=_port, default=0, help="on 127.0.0.1; 0 takes a free one and prints it"
    )
    command.add_argument("--seed", type=int, default=SEED, help="decides which requests meet a fault")
    command.add_argument(
        "--fault-rate", type=_share, default=faults, metavar="SHARE", help=f"of requests (default {faults})"
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write 2026-11-01") from error


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 2026-11-01T12:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _positive(text: str) -> float:
    if not 0 < (number := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _not_negative(text: str) -> float:
    if not 0 <= (number := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return number


def _share(text: str) -> float:
    if not 0 <= (number := float(text)) <= 0.5:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 0.5")
    return number


def _port(text: str) -> int:
    if not 0 <= (number := int(text)) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} is no port")
    return number


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _as_interrupt)
    sys.exit(main())
