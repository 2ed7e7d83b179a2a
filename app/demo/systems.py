"""The retailer's systems as children of this project: they live in the checkout's `demo/` alone."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from app.demo.child import Child, report_of, run_child
from lake.errors import ConfigurationError
from lake.settings import Project, Settings, inherited_environment, load_settings
from lake.stack import AppService, ServiceStatus, reserve_port, run_service, write_variables

RETAIL = "retail-api"
CRM = "crm"
_PASSWORD = "DEMO_KAFKA_PASSWORD"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSystems:
    """How to run `python -m demo …` for one project."""

    project: Project

    def __post_init__(self) -> None:
        if not (self.project.root / "demo" / "__main__.py").is_file():
            raise ConfigurationError(
                f"{self.project.root} has no demo/ folder: the demo's source systems are part of the"
                " lakemesh repository, not of the installed package",
                hint="clone the lakemesh repository and run make demo there",
            )

    @property
    def state(self) -> Path:
        return self.project.state / "demo.json"

    def fix_calendar(self, as_of: date | None) -> Mapping[str, Any]:
        """Fix shift and now at the first run; return them."""
        argv = ["calendar", *([] if as_of is None else ["--as-of", as_of.isoformat()])]
        calendar: Mapping[str, Any] = self._report("the demo's calendar", argv)
        return calendar

    def replay(self, settings: Settings, *, rate: float | None) -> Sequence[Mapping[str, Any]]:
        """Produce what is due and return a report per stream."""
        argv = ["replay", *_broker(settings), *([] if rate is None else ["--rate", f"{rate:g}"])]
        report = self._report("replaying the events", argv, settings)
        streams: Sequence[Mapping[str, Any]] = report["streams"]
        return streams

    def promotions(self) -> Mapping[str, Any]:
        """Return `file` and `rows` of the promotions, as the source counts them."""
        argv = [*self._python(), "promotions", "--json"]
        log = self.project.logs / "demo-promotions.log"
        child = Child(argv=argv, cwd=self.project.root, env=inherited_environment(), log=log)
        found: Mapping[str, Any] = report_of(run_child(child, doing="the promotions"), doing="the promotions")
        return found

    def live_argv(self, settings: Settings) -> list[str]:
        """Return the command that goes on with the year in the foreground."""
        return [*self._python(), "live", "--state", str(self.state), *_broker(settings)]

    def environment(self, settings: Settings) -> dict[str, str]:
        """Return a child's environment; passwords travel here, never in an argument."""
        return inherited_environment(**{_PASSWORD: settings.broker.sasl_password.get_secret_value()})

    def start_apis(self) -> tuple[ServiceStatus, ServiceStatus]:
        """Start the retail API and the CRM, or keep them, and tell sources and syncs where they are."""
        settings = load_settings(project=self.project)
        tokens = {
            name: settings.variables[name].get_secret_value()
            if name in settings.variables
            else secrets.token_urlsafe(24)
            for name in ("retail_token", "crm_token")
        }
        retail_port = reserve_port(self.project, RETAIL)
        crm_port = reserve_port(self.project, CRM)
        write_variables(
            self.project,
            {
                "retail_url": f"http://127.0.0.1:{retail_port}",
                "crm_url": f"http://127.0.0.1:{crm_port}",
                **tokens,
            },
        )
        retail = self._service(
            RETAIL,
            retail_port,
            ["retail", "--state", str(self.state)],
            {"DEMO_RETAIL_TOKEN": tokens["retail_token"]},
        )
        crm = self._service(
            CRM,
            crm_port,
            ["crm", "--db", str(self.project.state / "crm.sqlite")],
            {"DEMO_CRM_TOKEN": tokens["crm_token"]},
        )
        return run_service(self.project, retail), run_service(self.project, crm)

    def _service(self, name: str, port: int, argv: list[str], env: dict[str, str]) -> AppService:
        return AppService(
            name=name,
            argv=(*self._python(), *argv, "--port", str(port)),
            cwd=self.project.root,
            env={**env, "PYTHONUNBUFFERED": "1"},  # the same in every shell, so that it is kept
            port=port,
            url=f"http://127.0.0.1:{port}",
            health="/health",
        )

    def _report(self, doing: str, argv: list[str], settings: Settings | None = None) -> Any:
        child = Child(
            argv=[*self._python(), argv[0], "--state", str(self.state), *argv[1:], "--json"],
            cwd=self.project.root,
            env=inherited_environment() if settings is None else self.environment(settings),
            log=self.project.logs / f"demo-{argv[0]}.log",
        )
        return report_of(run_child(child, doing=doing), doing=doing)

    def _python(self) -> list[str]:
        return [sys.executable, "-m", "demo"]


def _broker(settings: Settings) -> list[str]:
    broker = settings.broker
    argv = ["--bootstrap", broker.bootstrap_servers, "--security-protocol", broker.security_protocol]
    if broker.topic_prefix:
        argv += ["--topic-prefix", broker.topic_prefix]
    if broker.ca_file is not None:
        argv += ["--ca-file", str(broker.ca_file)]
    if broker.security_protocol.startswith("SASL"):
        argv += ["--sasl-mechanism", broker.sasl_mechanism, "--sasl-username", broker.sasl_username]
    return argv
