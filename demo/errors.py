"""What can go wrong in the source systems; the exit codes are those of the `lake` command."""

from __future__ import annotations


class DemoError(Exception):
    """Base of all errors; `hint` is the next step for the person who reads it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.hint}" if self.hint else self.message


class BadArgumentError(DemoError):
    """An argument or a file that can't be accepted."""

    exit_code = 2


class UnavailableError(DemoError):
    """The broker does not answer."""

    exit_code = 4


class ForeignLogError(DemoError):
    """A topic holds what this replayer has not written."""

    exit_code = 5
