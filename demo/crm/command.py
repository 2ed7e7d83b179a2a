"""`python -m demo crm`."""

from __future__ import annotations

import argparse

from demo.crm.app import KINDS, crm_app
from demo.crm.store import ContactStore
from demo.faults import Allowance, Faults
from demo.http import serve, token_from


def run(args: argparse.Namespace) -> None:
    """Serve the CRM."""
    token = token_from("DEMO_CRM_TOKEN")
    app = crm_app(
        ContactStore(args.db),
        token=token,
        faults=Faults(seed=args.seed, rate=args.fault_rate, kinds=KINDS),
        allowance=Allowance(per_second=args.requests_per_second),
        latency=args.latency,
    )
    serve(app, service="crm", port=args.port)
