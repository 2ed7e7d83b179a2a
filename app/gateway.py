"""Run the gateway as one of the project's services, until `lake down`."""

from __future__ import annotations

import sys

from lake.settings import Project, Settings, settings_environment
from lake.stack import AppService, reserve_port, run_service, write_variables

NAME = "gateway"


def start_gateway(project: Project, settings: Settings, *, port: int | None = None) -> str:
    """Start the gateway beside the stack, or keep it when it runs; return its address.

    Pipelines find it as the variable `gateway_url`.
    """
    chosen = port or reserve_port(project, NAME, preferred=settings.gateway.port)
    url = f"http://{settings.gateway.host}:{chosen}"
    write_variables(project, {"gateway_url": url})
    service = AppService(
        name=NAME,
        argv=(
            *(sys.executable, "-m", "app.cli.main", "gateway", "run", "--foreground", "--port", str(chosen)),
        ),
        cwd=project.root,
        env=settings_environment(),
        port=chosen,
        url=url,
        health="/health/live",
    )
    run_service(project, service)
    return url
