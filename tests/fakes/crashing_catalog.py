"""A catalog whose client dies right before or after a commit."""

from __future__ import annotations

from typing import Any

from lake.catalog import LakeCatalog
from lake.settings import Settings
from tests.fakes.killed import KilledError


class CrashingCatalog(LakeCatalog):
    """Does the real thing until the commit number `at`, then dies before or after it."""

    def __init__(self, settings: Settings, *, at: int, after: bool) -> None:
        super().__init__(settings)
        self.left, self.after = at, after

    def commit_table(self, *arguments: Any, **named: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise KilledError
        answer = super().commit_table(*arguments, **named)
        if self.left == 0:
            raise KilledError
        return answer
