"""MinIO with Apache's REST catalog, Apache Kafka and Trino, as plain processes beside a project's stack.

`use(project, "minio")` or `use(project, "kafka")` lets a project's endpoints name them;
`tests/conftest.py` does so for the whole session where LAKEMESH_TEST_PEERS says it. What a server is told
comes from `docker-compose.yml` and the files that it mounts, with the places of this machine filled in.
"""

from __future__ import annotations

import json
import re
import secrets
import string
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, SecretStr

from lake.broker.probe import count_brokers
from lake.errors import LakeError
from lake.postgres import connect
from lake.settings import BrokerSettings, Project, TrinoSettings, cache_folder, load_settings
from lake.stack import AppService, reserve_port, run_service
from lake.stack.endpoints import write_sections
from lake.stack.folder import BASE_ENVIRONMENT, Site
from lake.stack.process import find, marks, spawn
from lake.stack.state import Credentials, locked
from lake.stack.trino import Trino
from tests.fakes.tls_proxy import make_certificates

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
USER = "lake"
START_SECONDS = 180
JAVA = ("-Xmx512M",)


def use(project: Project, peers: str) -> None:
    """Start peers and write them into the endpoints: every settings of the project from now on name them."""
    sections = {"minio": _minio_and_catalog, "kafka": _kafka}[peers](project)
    with locked(project):
        write_sections(project, sections)


def installed(name: str) -> tuple[Path, str]:
    """Return a peer's folder and its `java`; a peer that is missing fails, it is never skipped."""
    folder = cache_folder() / name
    note = folder / "installed.json"
    assert note.is_file(), f"{name} is not installed: make test-real"
    return folder, json.loads(note.read_text(encoding="utf-8"))["java"]


def compose_environment(service: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return a compose service's environment with its variables and the names of hosts filled in."""
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    environment: dict[str, Any] = document["services"][service]["environment"]

    def fill(text: str) -> str:
        found = re.sub(r"\$\{([A-Z_0-9]+)(?::\?[^}]*)?\}", lambda match: values[match[1]], text)
        for host in ("minio:9000", "postgres:5432"):
            found = found.replace(host, values.get(host, host))
        return found

    return {name: fill(str(value)) for name, value in environment.items()}


def _minio_and_catalog(project: Project) -> dict[str, BaseModel]:
    folder, _ = installed("minio")
    settings = load_settings(project=project)
    known = {"MINIO_ROOT_USER": f"minio{secrets.token_hex(6)}", "MINIO_ROOT_PASSWORD": secrets.token_hex(20)}
    port = reserve_port(project, "minio")
    program = str(folder / "minio")
    data = project.state / "minio"
    environment = {**compose_environment("minio", known), "MINIO_PROGRAM": program, "HOME": str(data)}
    data.mkdir()
    run_service(
        project,
        AppService(
            name="minio",
            argv=("/bin/sh", str(ROOT / "deploy/minio/entrypoint.sh"), str(data), f"{HOST}:{port}"),
            cwd=data,
            env={**BASE_ENVIRONMENT, **environment},
            port=port,
            url=f"http://{HOST}:{port}",
            health="/minio/health/ready",
        ),
    )
    with connect(settings.postgres, autocommit=True) as connection:
        connection.execute((ROOT / "deploy/postgres/catalog.sql").read_bytes())
    known |= {
        "POSTGRES_PASSWORD": settings.postgres.password.get_secret_value(),
        "minio:9000": f"{HOST}:{port}",
        "postgres:5432": f"{HOST}:{settings.postgres.port}",
    }
    libraries, java = installed("rest-catalog")
    catalog = reserve_port(project, "rest-catalog")
    told = {**compose_environment("rest-catalog", known), "CATALOG_REST_PORT": str(catalog)}
    run_service(
        project,
        AppService(
            name="rest-catalog",
            argv=(java, *JAVA, "-cp", f"{libraries}/*", "org.apache.iceberg.rest.RESTCatalogServer"),
            cwd=data,
            env={**BASE_ENVIRONMENT, **told},
            port=catalog,
            url=f"http://{HOST}:{catalog}",
            health="/v1/config",
        ),
    )
    storage = {
        "endpoint": f"http://{HOST}:{port}",
        "access_key": known["MINIO_ROOT_USER"],
        "secret_key": SecretStr(known["MINIO_ROOT_PASSWORD"]),
    }
    open_catalog = {"uri": f"http://{HOST}:{catalog}", "client_id": "", "oauth2_server_uri": ""}
    return {
        "storage": settings.storage.model_copy(update=storage),
        "catalog": settings.catalog.model_copy(update=open_catalog),
    }


def _kafka(project: Project) -> dict[str, BaseModel]:
    kafka = make_kafka(project)
    kafka.run()
    return {"broker": kafka.plain}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kafka:
    """A broker of its own project: how clients reach it, and the command that runs it."""

    plain: BrokerSettings
    signed_in: BrokerSettings
    argv: tuple[str, ...]
    folder: Path
    project: Project

    def run(self) -> subprocess.Popen[bytes]:
        """Start it and wait until it answers. Not recorded, but marked: `stop` ends it as an orphan."""
        log = self.project.logs / "kafka.log"
        with log.open("ab") as file:
            child = subprocess.Popen(
                self.argv,
                env={**BASE_ENVIRONMENT, **marks(self.project, "kafka")},
                cwd=self.folder,
                stdout=file,
                stderr=file,
            )
        _wait_for(child, self.plain, log)
        return child


def make_kafka(project: Project) -> Kafka:
    """Format a log folder for a broker with SCRAM over TLS beside a plain listener."""
    libraries, java = installed("kafka")
    folder = project.state / "kafka"
    folder.mkdir()
    certificates = make_certificates(folder)
    keystore = folder / "keystore.pem"
    keystore.write_bytes(certificates.key.read_bytes() + certificates.chain.read_bytes())
    ports = {name: reserve_port(project, f"kafka-{name}") for name in ("plain", "sasl", "controller")}
    password = secrets.token_hex(20)
    template = string.Template((ROOT / "tests/real/kafka/server.properties").read_text(encoding="utf-8"))
    properties = folder / "server.properties"
    values = {**{k: str(v) for k, v in ports.items()}, "keystore": keystore, "data": folder / "data"}
    properties.write_text(template.substitute(values), encoding="utf-8")
    run = (java, *JAVA, "-cp", f"{libraries}/*")
    scram = f"SCRAM-SHA-512=[name={USER},password={password}]"
    cluster = "MkU3OEVBNTcwNTJENDM2Qk"
    formatting = ("kafka.tools.StorageTool", "format", "--standalone", "--cluster-id", cluster)
    environment = {**BASE_ENVIRONMENT, **marks(project, "kafka")}
    subprocess.run(
        (*run, *formatting, "--config", str(properties), "--add-scram", scram),
        env=environment,
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    common = {"cluster": "kafka", "end_offsets_by": "query"}
    plain = BrokerSettings(bootstrap_servers=f"{HOST}:{ports['plain']}", **common)
    signed_in = BrokerSettings(
        bootstrap_servers=f"{HOST}:{ports['sasl']}",
        security_protocol="SASL_SSL",
        sasl_username=USER,
        sasl_password=password,
        ca_file=certificates.ca_file,
        **common,
    )
    return Kafka(
        plain=plain,
        signed_in=signed_in,
        argv=(*run, "kafka.Kafka", str(properties)),
        folder=folder,
        project=project,
    )


def start_trino(project: Project) -> TrinoSettings:
    """Start Trino over the storage and the catalog of a project's settings, and wait until it answers."""
    settings = load_settings(project=project)
    ports = {name: reserve_port(project, name.replace(".", "-")) for name in Trino.port_names}
    site = Site(project=project, ports=ports, credentials=Credentials.generate())
    trino = Trino(site=site, storage=settings.storage, catalog=settings.catalog)
    # Not recorded, but marked: `stop` ends it as an orphan of the project.
    child = spawn(project, trino.name, trino.prepare(), site.log(trino.name))
    ends = time.monotonic() + START_SECONDS
    while not (answer := trino.probe(starting=True)).ok:
        assert find(child, project), site.log(trino.name).read_text(encoding="utf-8")[-2000:]
        assert time.monotonic() < ends, answer.detail
    return trino.settings()


def _wait_for(child: subprocess.Popen[bytes], broker: BrokerSettings, log: Path) -> None:
    ends = time.monotonic() + START_SECONDS
    while True:
        try:
            if count_brokers(broker, timeout=2.0):
                return
        except LakeError as error:
            reason = error.message
        ended = child.poll() is not None
        assert not ended, log.read_text(encoding="utf-8")[-2000:]
        assert time.monotonic() < ends, reason
