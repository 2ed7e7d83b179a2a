"""The settings tree, a class per section; defaults are safe for localhost."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SslMode = Literal["disable", "require", "verify-ca", "verify-full"]


class Profile(StrEnum):
    """Who runs the services."""

    EMBEDDED = "embedded"  # `lake up` on this machine
    EXTERNAL = "external"  # somebody else; reached by settings alone


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StorageSettings(Section):
    """S3-compatible object storage."""

    endpoint: str = "http://127.0.0.1:8333"
    region: str = "us-east-1"
    access_key: str = "lake"
    secret_key: SecretStr = SecretStr("")
    bucket: str = "files"
    path_style: bool = True
    ca_file: Path | None = None


class CatalogSettings(Section):
    """Iceberg REST catalog; `client_id` empty means no authentication."""

    uri: str = "http://127.0.0.1:8181"
    warehouse: str = "warehouse"
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    oauth2_server_uri: str = ""
    oauth2_scope: str = ""
    ca_file: Path | None = None
    timeout_seconds: float = Field(default=30.0, gt=0)


class BrokerSettings(Section):
    """Kafka API."""

    bootstrap_servers: str = "127.0.0.1:9092"
    cluster: str = "lakemesh"
    topic_prefix: str = ""
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: str = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: SecretStr = SecretStr("")
    ca_file: Path | None = None
    end_offsets_by: Literal["query", "fetch"] = Field(
        default="query",
        description="how the end of a partition is read; fetch where the broker's ListOffsets is wrong",
    )


class RegistrySettings(Section):
    """Schema registry with Confluent's API; without a URL the ids are those that the contracts give."""

    url: str = ""
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: Path | None = None
    timeout_seconds: float = Field(default=10.0, gt=0, description="of one request")
    wait_seconds: float = Field(
        default=30.0, gt=0, description="for a schema that is not there yet, or a registry that is down"
    )
    latest_seconds: float = Field(default=300.0, gt=0, description="how long a subject's latest is kept")


class PostgresSettings(Section):
    """State of SQLMesh and of lakemesh."""

    host: str = "127.0.0.1"
    port: int = 5432
    user: str = "lake"
    password: SecretStr = SecretStr("")
    database: str = "lake"
    sslmode: SslMode = "disable"
    ca_file: Path | None = None
    connect_timeout_seconds: int = Field(default=5, gt=0)


class LandingSettings(Section):
    """Where landing writes and when it commits."""

    raw_schema: str = "raw"
    quarantine_schema: str = "quarantine"
    commit_rows: int = Field(default=300_000, gt=0)
    commit_bytes: int = Field(default=192 * 1024 * 1024, gt=0)
    commit_seconds: float = Field(default=5.0, gt=0)
    commit_files: int = Field(
        default=5_000, gt=0, description="a commit that would write more data files is cut"
    )
    files_per_minute: int = Field(
        default=1_000,
        gt=0,
        description="data files of a table; commits wait longer than their seconds rather than write more",
    )
    deadline_seconds: float = Field(default=120.0, gt=0)
    look_seconds: float = Field(
        default=300.0, gt=0, description="how often a stream that brings nothing says that it was looked at"
    )
    memory_bytes: int = Field(
        default=300_000_000,
        gt=0,
        description="read and not yet committed, over all streams of a process; beyond it reading pauses",
    )
    retained_snapshots: int = Field(default=20, gt=1, description="the newest of a landing table")
    retained_hours: int = Field(
        default=48, ge=0, description="besides the newest, one snapshot for each of the last hours"
    )


class GatewaySettings(Section):
    """The HTTP gateway: where it listens, and what it takes from one request and from all together."""

    host: str = "127.0.0.1"
    port: int = Field(default=8088, ge=1, le=65535)
    body_bytes: int = Field(default=8 * 1024 * 1024, gt=0, description="of a request, as it is sent")
    content_bytes: int = Field(default=32 * 1024 * 1024, gt=0, description="of a request, decompressed")
    record_bytes: int = Field(default=900_000, gt=0)
    records: int = Field(default=10_000, gt=0, description="in one request")
    json_depth: int = Field(default=32, gt=0)
    records_per_second: int = Field(default=5_000, gt=0, description="of a new key that names no rate")
    body_seconds: float = Field(default=30.0, gt=0, description="for sending a request's body")
    ack_seconds: float = Field(default=10.0, gt=0, description="for the broker's acknowledgement")
    pending_records: int = Field(default=100_000, gt=0, description="waiting for the broker")
    pending_bytes: int = Field(default=128 * 1024 * 1024, gt=0, description="bodies and records in memory")
    lag_records: int = Field(
        default=0, ge=0, description="unlanded records after which a stream takes no more; 0: no limit"
    )


class ConnectSettings(Section):
    """Redpanda Connect in streams mode, whose streams `lake connect` keeps."""

    url: str = "http://127.0.0.1:4195"
    username: str = ""
    password: SecretStr = SecretStr("")
    prefix: str = Field(default="lakemesh_", pattern=r"^[a-z][a-z0-9_]*_$")
    timeout_seconds: float = Field(default=10.0, gt=0)
    stop_seconds: float = Field(default=30.0, gt=0)


class EngineSettings(Section):
    """Embedded DuckDB: what it may use, and how patient a publish is."""

    memory_limit: str = "2GB"
    threads: int = Field(default=0, ge=0, description="0 means one per core")
    publish_seconds: float = Field(
        default=60.0, gt=0, description="how long a commit whose answer was lost is looked for"
    )
    retained_snapshots: int = Field(
        default=60, gt=0, description="of a model's table; older ones are expired when it is published"
    )


class EnvironmentSettings(Section):
    """Which environment a git branch has."""

    branch: str = Field(default="", description="the branch, where git can't tell: in CI, HEAD is detached")
    prod_branch: str = Field(default="", description="the branch whose environment is prod; none unless set")


class HistorySettings(Section):
    """What models did, as tables for analysts."""

    ops_schema: str = "ops"
    append_seconds: int = Field(
        default=300,
        ge=0,
        description="plans and runs append the history when the last time is this long ago; 0: never",
    )


class TrinoSettings(Section):
    """Trino on the same catalog; used by models with `gateway trino` only."""

    host: str = "127.0.0.1"
    port: int = 8080
    user: str = "lake"
    password: SecretStr = SecretStr("")
    mask_salt: SecretStr = Field(
        default=SecretStr(""), description="of the pseudonyms that analysts see for keys; empty: NULL"
    )
    http_scheme: Literal["http", "https"] = "http"
    ca_file: Path | None = None


class Settings(Section):
    """Everything that differs between a laptop and production."""

    profile: Profile = Profile.EMBEDDED
    project_root: Path
    storage: StorageSettings = StorageSettings()
    catalog: CatalogSettings = CatalogSettings()
    broker: BrokerSettings = BrokerSettings()
    registry: RegistrySettings = RegistrySettings()
    postgres: PostgresSettings = PostgresSettings()
    landing: LandingSettings = LandingSettings()
    gateway: GatewaySettings = GatewaySettings()
    connect: ConnectSettings = ConnectSettings()
    engine: EngineSettings = EngineSettings()
    environments: EnvironmentSettings = EnvironmentSettings()
    history: HistorySettings = HistorySettings()
    trino: TrinoSettings = TrinoSettings()
    console_port: int = 8501
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"
    variables: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="what `${name}` in sources and syncs stands for: addresses and tokens",
    )

    def secrets(self) -> frozenset[str]:
        """Return every secret value, for masking and for the test that greps for them."""
        own = {
            self.storage.secret_key,
            self.catalog.client_secret,
            self.broker.sasl_password,
            self.registry.password,
            self.postgres.password,
            self.connect.password,
            self.trino.password,
            self.trino.mask_salt,
        }
        named = {value for name, value in self.variables.items() if name.endswith(("token", "secret", "key"))}
        return frozenset(s.get_secret_value() for s in own | named if s.get_secret_value())
