"""`python -m demo retail`."""

from __future__ import annotations

import argparse

from demo.clock import SystemClock
from demo.faults import Faults
from demo.http import serve, token_from
from demo.retail.app import KINDS, retail_app
from demo.retail.resources import load_resources
from demo.state import fix_calendar


def run(args: argparse.Namespace) -> None:
    """Serve the retail API."""
    token = token_from("DEMO_RETAIL_TOKEN")
    calendar = fix_calendar(args.state, now=SystemClock().now())
    faults = Faults(seed=args.seed, rate=args.fault_rate, kinds=KINDS)
    app = retail_app(load_resources(calendar), token=token, faults=faults)
    serve(app, service="retail", port=args.port)
