"""Every error that lakemesh raises on purpose.

    LakeError                    what happened, to what, and the next command
    ├── TerminalError            repeating it changes nothing until somebody acts
    │   ├── ConfigurationError   settings, contract, source or sync file is wrong
    │   ├── BadInputError        an argument or a payload that can't be accepted
    │   ├── ConflictError        the world moved since the decision was taken
    │   ├── HistoryError         a table, topic or log isn't the one that was recorded
    │   └── RefusedError         a guard, gate or breaker said no
    ├── TransientError           the same call may pass later
    │   └── UnavailableError     a service does not answer; names it
    └── OutcomeUnknownError      applied or not: read back before anything else (I5)

Retry code looks only at the three branches, never at a concrete class.
"""

from __future__ import annotations


class LakeError(Exception):
    """Base of all errors; `hint` is the next command or step for the person who reads it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.hint}" if self.hint else self.message


class TerminalError(LakeError):
    """Repeating the call changes nothing until somebody acts."""


class ConfigurationError(TerminalError):
    """A setting or a definition file is wrong; names the file and the key."""

    exit_code = 3


class BadInputError(TerminalError):
    """An argument or a payload that can't be accepted."""

    exit_code = 2


class ConflictError(TerminalError):
    """The world moved since the decision was taken: decide again."""

    exit_code = 5


class HistoryError(TerminalError):
    """A table, topic or log is not the one whose position was recorded; never reset silently."""

    exit_code = 5


class RefusedError(TerminalError):
    """A guard, gate or breaker said no."""

    exit_code = 5


class TransientError(LakeError):
    """The same call may pass later."""

    exit_code = 4


class UnavailableError(TransientError):
    """A service does not answer."""

    def __init__(
        self, service: str, message: str, *, hint: str = "lake up; lake status shows what answers"
    ) -> None:
        super().__init__(f"{service}: {message}", hint=hint)
        self.service = service


class OutcomeUnknownError(LakeError):
    """The request may or may not have been applied: read back before acting, delete nothing."""

    exit_code = 4


def first_line(error: BaseException) -> str:
    """Return a short reason: what an error says first, or its name when it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
