"""A page is made of parts that fail alone: a value, or the problem that stands in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lake.errors import LakeError, UnavailableError
from lake.log import get_logger

T = TypeVar("T")
log = get_logger("console")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a part can't be shown, and the command to run."""

    message: str
    hint: str
    service: str = ""


def attempt(read: Callable[[], T]) -> T | Problem:
    """Return what `read` gives, or its error as a value; a page never shows a traceback."""
    try:
        return read()
    except UnavailableError as error:
        return Problem(message=error.message, hint=error.hint, service=error.service)
    except LakeError as error:
        return Problem(message=error.message, hint=error.hint)
    except Exception:  # the boundary of a page: whatever broke, the other parts go on
        log.exception("part.failed")
        return Problem(message="this part broke; the log says where", hint="lake logs console")
