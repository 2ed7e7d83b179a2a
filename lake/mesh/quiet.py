"""A console for programs: shows nothing, keeps what went wrong for the error's message."""

from __future__ import annotations

from typing import Any

from sqlmesh.core.console import NoopConsole
from typing_extensions import override


class QuietConsole(NoopConsole):
    """SQLMesh tells its console why models failed, and raises an error that doesn't say."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    @override
    def log_failed_models(self, errors: Any) -> None:
        for error in errors:
            self.told.append(str(error.__cause__ or error))

    @override
    def log_error(self, message: str) -> None:
        self.told.append(message)

    @override
    def log_test_results(self, result: Any, target_dialect: str) -> None:
        self.told.extend(
            f"{case}: {text.strip().splitlines()[-1]}" for case, text in result.failures + result.errors
        )
