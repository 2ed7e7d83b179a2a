"""Structured logs: one event name and fields a line; JSON when nobody watches.

structlog is loaded with the first event that is shown: most commands end without one, and loading it
takes longer than they do.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(slots=True)
class _Choice:
    """What `configure` was asked for, until the first event makes it so."""

    level: int = logging.NOTSET
    json: bool | None = None
    made: bool = False
    applied: bool = False


_choice = _Choice()


def configure(*, level: str = "INFO", json: bool | None = None) -> None:
    """Send events to stderr: coloured text on a terminal, JSON lines elsewhere."""
    _choice.level = logging.getLevelNamesMapping()[level]
    _choice.json, _choice.made, _choice.applied = json, True, False


def configure_unless_done(*, level: str) -> None:
    """Configure when a foreign program (stock `sqlmesh`) is in charge; its stdout stays its own."""
    if not _choice.made:
        configure(level=level)


@dataclass(frozen=True, slots=True)
class EventLog:
    """Logs events with fields, each with the room that wrote it."""

    room: str

    def debug(self, event: str, **fields: Any) -> None:
        self._emit(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._emit(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._emit(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._emit(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Log at level error with the traceback of the exception that is being handled."""
        self._emit(logging.ERROR, event, {**fields, "exc_info": True})

    def _emit(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if level >= _choice.level:
            _loaded().get_logger(room=self.room).log(level, event, **fields)


def get_logger(name: str) -> EventLog:
    """Return a logger whose events carry the room that wrote them."""
    return EventLog(name)


def _loaded() -> ModuleType:
    import structlog  # noqa: PLC0415 - see the module's docstring

    if _choice.made and not _choice.applied:
        as_json = not sys.stderr.isatty() if _choice.json is None else _choice.json
        renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                renderer,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(_choice.level),
            logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
            cache_logger_on_first_use=False,
        )
        _choice.applied = True
    return structlog
