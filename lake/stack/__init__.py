"""The embedded stack: SeaweedFS, a broker and PostgreSQL as detached processes of one project.

Nothing supervises them: `start` brings up what is missing, `inspect` asks each with a real request,
`stop` ends all. What is remembered (ports, credentials, pids) stands in `.lake/` alone.
"""

from lake.stack.app_service import AppService
from lake.stack.endpoints import write_variables
from lake.stack.inspection import inspect
from lake.stack.model import Event, EventKind, ServiceState, ServiceStatus, StackReport
from lake.stack.runner import reserve_port, run_service, start, stop, stop_service

__all__ = [
    "AppService",
    "Event",
    "EventKind",
    "ServiceState",
    "ServiceStatus",
    "StackReport",
    "inspect",
    "reserve_port",
    "run_service",
    "start",
    "stop",
    "stop_service",
    "write_variables",
]
