"""A child that another room describes: the console, the retail API, the CRM."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM
from typing import Any, ClassVar

from lake.errors import BadInputError
from lake.stack import probe
from lake.stack.model import START_SECONDS, Answer, Launch

_NAME = re.compile(r"[a-z][a-z0-9-]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppService:
    """A process to keep beside the stack until `lake down`.

    `env` is its whole environment (secrets belong here, never into `argv`, which every user of the
    machine can read). `url` is what people open; `health` is the path below it that is asked with GET
    until any answer below 500 comes.
    """

    name: str
    argv: tuple[str, ...]
    cwd: Path
    port: int
    url: str
    health: str = ""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    after: tuple[str, ...] = ()
    stop_signal: ClassVar[int] = SIGTERM
    stop_seconds: ClassVar[float] = 10.0
    start_seconds: ClassVar[float] = START_SECONDS

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise BadInputError(f"{self.name!r} is no name for a service: use a-z, 0-9 and -")

    @property
    def port_names(self) -> tuple[str, ...]:
        return (port_name(self.name),)

    def listens_on(self) -> tuple[int, ...]:
        return (self.port,)

    def address(self) -> str:
        return self.url

    def prepare(self) -> Launch:
        return Launch(argv=self.argv, cwd=self.cwd, env=self.env)

    def probe(self, *, starting: bool) -> Answer:  # noqa: ARG002 - one question serves both
        return probe.http(self.url + self.health)

    def tidy(self) -> None:
        """Nothing of ours lies outside the project."""

    def to_json(self) -> dict[str, Any]:
        """Return what `stack.json` (0600) keeps, so that `lake up` can replace a dead one."""
        return {
            "argv": list(self.argv),
            "cwd": str(self.cwd),
            "port": self.port,
            "url": self.url,
            "health": self.health,
            "env": dict(self.env),
            "after": list(self.after),
        }

    @classmethod
    def from_json(cls, name: str, document: Mapping[str, Any]) -> AppService:
        return cls(
            name=name,
            argv=tuple(document["argv"]),
            cwd=Path(document["cwd"]),
            port=document["port"],
            url=document["url"],
            health=document.get("health", ""),
            env=document["env"],
            after=tuple(document["after"]),
        )


def port_name(service: str) -> str:
    return f"{service}.http"
