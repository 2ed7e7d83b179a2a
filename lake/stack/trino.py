"""Trino: the second SQL engine on the same catalog, started when it is asked for.

The server is what `make trino` installed; its configuration is the project's `deploy/trino/etc`, the
very files that the compose file mounts. Only what differs between places comes from the environment:
ports, endpoints, secrets. Passwords need TLS in Trino, so a certificate for this machine is made once.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import Any, ClassVar

from pydantic import SecretStr

from lake.errors import ConfigurationError
from lake.settings import CatalogSettings, StorageSettings, TrinoSettings, cache_folder
from lake.stack import probe
from lake.stack.folder import BASE_ENVIRONMENT, Site
from lake.stack.model import Answer, Launch
from lake.stack.passwords import write_password
from lake.stack.ports import HOST
from lake.stack.state import write_json

OWNER = "lake"  # the user as whom models are built; owns all tables
CERTIFICATE_DAYS = 3650
# Of the JDK's keytool; the subject alternative names are how clients on this machine call the server.
KEYTOOL = (
    *("-genkeypair", "-alias", "trino", "-keyalg", "RSA", "-keysize", "2048", "-storetype", "PKCS12"),
    *("-dname", "CN=lakemesh", "-ext", f"san=ip:{HOST},dns:localhost"),
)
# Until rules are written from the contracts, nobody but the owner may do anything.
LOCKED = {"catalogs": [{"user": f"{OWNER}|lakemesh", "allow": "all"}, {"allow": "none"}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trino:
    """One server, coordinator and worker at once; it keeps nothing that the catalog doesn't have."""

    site: Site
    storage: StorageSettings
    catalog: CatalogSettings
    name: ClassVar[str] = "trino"
    stop_signal: ClassVar[int] = SIGTERM
    stop_seconds: ClassVar[float] = 20.0
    start_seconds: ClassVar[float] = 240.0  # 14 s on a quiet machine, minutes on a busy one
    after: ClassVar[tuple[str, ...]] = ("seaweed",)
    port_names: ClassVar[tuple[str, ...]] = ("trino.http", "trino.https")

    @property
    def folder(self) -> Path:
        return self.site.data("trino")

    def settings(self) -> TrinoSettings:
        return TrinoSettings(
            host=HOST,
            port=self.site.ports["trino.https"],
            user=OWNER,
            password=SecretStr(self._secrets()["password"]),
            mask_salt=SecretStr(self._secrets()["salt"]),
            http_scheme="https",
            ca_file=self.folder / "ca.pem",
        )

    def listens_on(self) -> tuple[int, ...]:
        return tuple(self.site.ports[name] for name in self.port_names)

    def address(self) -> str:
        return f"Trino https://{HOST}:{self.site.ports['trino.https']}"

    def prepare(self) -> Launch:
        """Lay out the working folder: links to program and configuration, certificate, passwords, rules."""
        home, java = installed()
        etc = self.site.project.root / "deploy" / "trino" / "etc"
        if not (etc / "config.properties").is_file():
            raise ConfigurationError(
                f"{etc} holds no configuration of Trino",
                hint="copy deploy/trino/etc from lakemesh's repository",
            )
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for name, target in {
            "etc": etc,
            "plugin": home / "plugin",
            "secrets-plugin": home / "secrets-plugin",
        }.items():
            link = self.folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        self._make_certificate(java)
        write_password(self.folder / "password.db", OWNER, self._secrets()["password"])
        if not (rules := self.folder / "rules.json").exists():
            write_json(self.site.project, rules, LOCKED)
        options = [line for line in (etc / "jvm.config").read_text(encoding="utf-8").split() if line]
        return Launch(
            argv=(
                str(java),
                *options,
                "-Dconfig=etc/config.properties",
                "-Dlog.levels-file=etc/log.properties",
                "-Dnode.id=lakemesh",
                *("-cp", str(home / "lib" / "*"), "io.trino.server.TrinoServer"),
            ),
            cwd=self.folder,
            env={**BASE_ENVIRONMENT, "HOME": str(self.folder), **self._environment()},
        )

    def probe(self, *, starting: bool) -> Answer:
        """Run a query that asks the catalog; once it has run, a constant shows that the server lives."""
        sql = "SELECT count(*) FROM lake.information_schema.schemata" if starting else "SELECT 1"
        return probe.trino(self.settings(), sql)

    def tidy(self) -> None:
        """Nothing of it lies outside the project."""

    def _environment(self) -> dict[str, str]:
        """Return what `deploy/trino/etc` names as `${ENV:…}`."""
        known, catalog, storage = self._secrets(), self.catalog, self.storage
        return {
            "TRINO_BIND_IP": HOST,
            "TRINO_HTTP_PORT": str(self.site.ports["trino.http"]),
            "TRINO_HTTPS_PORT": str(self.site.ports["trino.https"]),
            "TRINO_KEYSTORE": str(self.folder / "keystore.p12"),
            "TRINO_KEYSTORE_PASSWORD": known["keystore"],
            "TRINO_SHARED_SECRET": known["shared"],
            "TRINO_PASSWORD_FILE": str(self.folder / "password.db"),
            "TRINO_RULES_FILE": str(self.folder / "rules.json"),
            "TRINO_CATALOGS": "catalog-oauth2" if catalog.client_id else "catalog-open",
            "LAKE_CATALOG__URI": catalog.uri,
            "LAKE_CATALOG__WAREHOUSE": catalog.warehouse,
            "LAKE_CATALOG__CLIENT_ID": catalog.client_id,
            "LAKE_CATALOG__CLIENT_SECRET": catalog.client_secret.get_secret_value(),
            "LAKE_CATALOG__OAUTH2_SERVER_URI": catalog.oauth2_server_uri,
            "LAKE_STORAGE__ENDPOINT": storage.endpoint,
            "LAKE_STORAGE__REGION": storage.region,
            "LAKE_STORAGE__ACCESS_KEY": storage.access_key,
            "LAKE_STORAGE__SECRET_KEY": storage.secret_key.get_secret_value(),
        }

    def _secrets(self) -> dict[str, str]:
        """Return the generated secrets, made at the first call; the caller holds the stack's lock then."""
        path = self.folder / "secrets.json"
        try:
            known: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            known = {name: secrets.token_hex(20) for name in ("password", "keystore", "shared", "salt")}
            write_json(self.site.project, path, known)
        return known

    def _make_certificate(self, java: Path) -> None:
        keystore, authority = self.folder / "keystore.p12", self.folder / "ca.pem"
        if authority.exists():
            return
        keystore.unlink(missing_ok=True)
        known = {"LAKE_KEYSTORE": self._secrets()["keystore"]}  # by environment: arguments are public
        store = ("-keystore", str(keystore), "-storepass:env", "LAKE_KEYSTORE")
        _keytool(java, (*KEYTOOL, "-validity", str(CERTIFICATE_DAYS), *store), known)
        keystore.chmod(0o600)
        fresh = authority.with_suffix(".new")
        _keytool(java, ("-exportcert", "-rfc", "-alias", "trino", "-file", str(fresh), *store), known)
        fresh.rename(authority)  # last: its presence says that both are whole


def installed() -> tuple[Path, Path]:
    """Return the server's folder and the `java` that runs it; ConfigurationError when it isn't there."""
    home = cache_folder() / "trino"
    try:
        document: dict[str, Any] = json.loads((home / "installed.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        raise ConfigurationError(f"Trino is not installed in {home}", hint="make trino") from None
    java = Path(document["java"])
    if not java.is_file():
        raise ConfigurationError(f"{java}, which ran Trino, is gone", hint="make trino")
    return home, java


def _keytool(java: Path, arguments: tuple[str, ...], secrets_of_it: dict[str, str]) -> None:
    done = subprocess.run(
        (str(java.with_name("keytool")), *arguments),
        env={**BASE_ENVIRONMENT, **secrets_of_it},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ConfigurationError(
            f"trino: no certificate could be made: {done.stdout.strip() or done.stderr.strip()}",
            hint="is that java of a whole JDK? Then make trino",
        )
