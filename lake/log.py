"""Structured logs: one event name and fields a line; JSON when nobody watches."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def configure(*, level: str = "INFO", json: bool | None = None) -> None:
    """Send events to stderr: coloured text on a terminal, JSON lines elsewhere."""
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            _drop_echoes,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def _drop_echoes(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Leave out what stamina says of a retry: the caller logs it with the names of its room."""
    if event.get("event") == "stamina.retry_scheduled":
        raise structlog.DropEvent
    return event


def configure_unless_done(*, level: str) -> None:
    """Configure when a foreign program (stock `sqlmesh`) is in charge; its stdout stays its own."""
    if not structlog.is_configured():
        configure(level=level)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return a logger whose events carry the room that wrote them."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(room=name)
    return logger
