"""Profile external: S3, catalog, broker and PostgreSQL behind TLS, reached by settings alone.

The embedded servers speak no TLS, so a proxy of the tests ends it in front of them.
"""

from __future__ import annotations

import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import polars as pl
import pytest
from confluent_kafka.admin import AdminClient
from pyiceberg.exceptions import RESTError

from lake.broker import client_configuration
from lake.catalog import open_catalog
from lake.errors import LakeError, UnavailableError
from lake.mesh.session import open_session
from lake.postgres import connect
from lake.settings import BrokerSettings, Profile, Settings, load_settings
from lake.stack import ServiceState, inspect, probe, tansu
from lake.stack.ports import find_free
from tests.fakes.tls_proxy import HOST, Certificates, Proxy, make_certificates, tls_proxy

pytestmark = pytest.mark.stack


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """Somebody else's services, as far as a client can tell."""

    settings: Settings
    environment: dict[str, str]
    certificates: Certificates
    proxies: dict[str, Proxy]

    def distrusting(self) -> Settings:
        """Return the same settings with an authority that signed none of these certificates."""
        foreign = {"ca_file": self.certificates.foreign_ca_file}
        own = self.settings
        sections = ("storage", "catalog", "broker", "postgres")
        return own.model_copy(update={s: getattr(own, s).model_copy(update=foreign) for s in sections})


@contextmanager
def kafka_behind(proxy: Proxy):
    """Run a broker that sends its clients to `proxy`: the stack's own names itself, without TLS."""
    argv = [
        str(tansu.binary()), "broker", "--cluster-id", "external", "--storage-engine", "memory://tansu/",
        "--listener-url", f"tcp://{HOST}:{proxy.target}",
        "--advertised-listener-url", f"tcp://{HOST}:{proxy.port}",
    ]  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(argv, env={}, **quiet) as broker:
        try:
            yield
        finally:
            broker.terminate()


@pytest.fixture
def external(lake_settings, stack_project, tmp_path):
    """Put a TLS front before each service and describe all of them in `LAKE_*` variables."""
    s3, rest = urlsplit(lake_settings.storage.endpoint), urlsplit(lake_settings.catalog.uri)
    kafka = find_free(1)[0]
    targets = {
        "storage": s3.port,
        "catalog": rest.port,
        "broker": kafka,
        "postgres": lake_settings.postgres.port,
    }
    certificates = make_certificates(tmp_path)
    with ExitStack() as open_proxies:
        proxies = {
            name: open_proxies.enter_context(tls_proxy(port, certificates, postgres=name == "postgres"))
            for name, port in targets.items()
        }
        open_proxies.enter_context(kafka_behind(proxies["broker"]))
        environment = {
            "LAKE_PROFILE": "external",
            "LAKE_STORAGE__ENDPOINT": f"https://{HOST}:{proxies['storage'].port}",
            "LAKE_STORAGE__ACCESS_KEY": lake_settings.storage.access_key,
            "LAKE_STORAGE__SECRET_KEY": lake_settings.storage.secret_key.get_secret_value(),
            "LAKE_CATALOG__URI": f"https://{HOST}:{proxies['catalog'].port}",
            "LAKE_CATALOG__CLIENT_ID": lake_settings.catalog.client_id,
            "LAKE_CATALOG__CLIENT_SECRET": lake_settings.catalog.client_secret.get_secret_value(),
            "LAKE_BROKER__BOOTSTRAP_SERVERS": f"{HOST}:{proxies['broker'].port}",
            "LAKE_BROKER__SECURITY_PROTOCOL": "SSL",
            "LAKE_POSTGRES__HOST": HOST,
            "LAKE_POSTGRES__PORT": str(proxies["postgres"].port),
            "LAKE_POSTGRES__PASSWORD": lake_settings.postgres.password.get_secret_value(),
            "LAKE_POSTGRES__DATABASE": lake_settings.postgres.database,
            "LAKE_POSTGRES__SSLMODE": "verify-full",
            "LAKE_LANDING__RAW_SCHEMA": lake_settings.landing.raw_schema,
            **{f"LAKE_{name.upper()}__CA_FILE": str(certificates.ca_file) for name in targets},
        }
        settings = load_settings(project=stack_project, environment=environment)
        yield External(settings=settings, environment=environment, certificates=certificates, proxies=proxies)


def answers(settings):
    return {
        "storage": probe.storage(settings.storage, write=True, timeout=5),
        "catalog": probe.catalog(settings.catalog, timeout=5),
        "broker": probe.broker(settings.broker, timeout=3),
        "postgres": probe.postgres(settings.postgres),
    }


def test_status_asks_external_services_through_tls(external, stack_project, monkeypatch):
    """All four answer, and each answer came through a handshake."""
    for name, value in external.environment.items():
        monkeypatch.setenv(name, value)

    found = {s.service: (s.state, s.detail) for s in inspect(stack_project)}

    assert external.settings.profile is Profile.EXTERNAL
    assert {name: state for name, (state, _) in found.items()} == dict.fromkeys(
        external.proxies, ServiceState.READY
    ), found
    assert all(proxy.handshakes > 0 for proxy in external.proxies.values())


def test_a_server_that_our_authority_did_not_sign_is_refused(external):
    """No client goes on without a certificate that it can check; the message names the reason."""
    found = answers(external.distrusting())

    assert {name: answer.ok for name, answer in found.items()} == dict.fromkeys(external.proxies, False)
    assert "certificate" in found["storage"].detail.lower()
    assert "certificate" in found["catalog"].detail.lower()
    assert "certificate" in found["postgres"].detail.lower()


def test_without_an_authority_the_systems_own_are_asked(external):
    """A private certificate is not accepted just because no CA file is set."""
    own = external.settings
    bare = {"ca_file": None}

    assert not probe.storage(own.storage.model_copy(update=bare), timeout=5).ok
    assert not probe.catalog(own.catalog.model_copy(update=bare), timeout=5).ok
    assert not probe.broker(own.broker.model_copy(update=bare), timeout=2).ok


def test_a_ca_file_that_is_missing_is_said(external, tmp_path):
    """Not taken for a server that is down."""
    gone = external.settings.storage.model_copy(update={"ca_file": tmp_path / "no.pem"})

    answer = probe.storage(gone, timeout=5)

    assert not answer.ok
    assert "TLS" in answer.detail


def test_iceberg_is_written_and_read_through_tls(external):
    """The Python client takes its token, commits, writes to and reads from S3; DuckDB reads the same rows."""
    name = external.settings.landing.raw_schema
    catalog = open_catalog(external.settings)
    rows = pl.DataFrame({"n": [1, 2, 3]}).to_arrow()
    catalog.create_namespace(name)
    table = catalog.create_table((name, "secure"), schema=rows.schema)
    table.append(rows)

    assert catalog.load_table((name, "secure")).scan().to_arrow()["n"].to_pylist() == [1, 2, 3]
    with open_session(external.settings) as session:
        found = session.query(f"SELECT sum(n) AS total FROM lake.{name}.secure")
    assert found["total"].to_pylist() == [6]
    assert external.proxies["catalog"].handshakes > 0
    assert external.proxies["storage"].handshakes > 0


def test_iceberg_refuses_a_server_that_our_authority_did_not_sign(external):
    """Neither the token nor the secret is sent to a stranger."""
    before = external.proxies["catalog"].handshakes

    with pytest.raises(LakeError):
        open_catalog(external.distrusting())

    assert external.proxies["catalog"].handshakes == before


def test_the_token_needs_the_right_client_secret(external):
    """OAuth2 over TLS still refuses who doesn't know it."""
    wrong = external.settings.catalog.model_validate(
        {**external.settings.catalog.model_dump(), "client_secret": "wrong"}
    )

    with pytest.raises((LakeError, RESTError)) as caught:
        open_catalog(external.settings.model_copy(update={"catalog": wrong}))
    assert "wrong" not in str(caught.value)
    assert not probe.catalog(wrong, timeout=5).ok


def test_postgres_verifies_name_and_authority(external):
    """verify-full refuses the certificate of another name, verify-ca and require accept it."""
    own = external.settings.postgres
    by_name = own.model_copy(update={"host": "localhost"})

    with connect(own) as connection:
        assert connection.execute("SELECT 1 AS one").fetchone() == {"one": 1}
    with pytest.raises(UnavailableError, match="localhost"), connect(by_name):
        pass
    for mode in ("verify-ca", "require"):
        with connect(by_name.model_copy(update={"sslmode": mode})) as connection:
            assert connection.execute("SELECT 1 AS one").fetchone() == {"one": 1}


def test_postgres_never_falls_back_to_plain_text(external, lake_settings):
    """A server without TLS is refused when settings ask for it."""
    plain = external.settings.postgres.model_copy(update={"port": lake_settings.postgres.port})

    with pytest.raises(UnavailableError), connect(plain):
        pass


def test_sasl_ssl_reaches_the_kafka_client(tmp_path):
    """Every setting is the client's, and librdkafka accepts them together."""
    ca_file = make_certificates(tmp_path).ca_file
    settings = BrokerSettings(
        bootstrap_servers="broker.example:9093",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="lake",
        sasl_password="hush-hush",
        ca_file=ca_file,
    )

    found = client_configuration(settings)

    assert {name: found[name] for name in found if name.startswith(("security", "sasl", "ssl"))} == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "lake",
        "sasl.password": "hush-hush",
        "ssl.ca.location": str(ca_file),
    }
    AdminClient(found)
    assert "hush-hush" not in repr(settings)
