"""Trino beside the stack, as far as no Java is needed: what it is given, and what is said without it."""

from __future__ import annotations

import hashlib
import re
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from lake.errors import BadInputError, ConfigurationError
from lake.settings import CatalogSettings, Project, StorageSettings
from lake.stack import start
from lake.stack.folder import Site
from lake.stack.passwords import read_passwords, write_password
from lake.stack.ports import HOST
from lake.stack.state import Credentials
from lake.stack.trino import Trino

ROOT = Path(__file__).parents[2]
ETC = ROOT / "deploy" / "trino" / "etc"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "config.yaml").touch()
    return Project(root=tmp_path)


def _trino(project: Project, *, client_id: str) -> Trino:
    return Trino(
        site=Site(
            project=project,
            ports={"trino.http": 18080, "trino.https": 18443},
            credentials=Credentials.generate(),
        ),
        storage=StorageSettings(),
        catalog=CatalogSettings(client_id=client_id, client_secret=SecretStr("s3cret")),
    )


def test_a_password_is_kept_as_trino_reads_it(tmp_path):
    """Iterations, salt and hash in hexadecimal: PBKDF2 with HMAC-SHA-1, at least 1,000 rounds."""
    path = tmp_path / "password.db"
    write_password(path, "ana", "correct horse")

    name, rounds, salt, digest = path.read_text(encoding="utf-8").strip().split(":")
    expected = hashlib.pbkdf2_hmac("sha1", b"correct horse", bytes.fromhex(salt), int(rounds), dklen=32)
    assert (name, digest) == ("ana", expected.hex())
    assert int(rounds) >= 1000
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_setting_one_password_leaves_the_others_alone(tmp_path):
    """A user is added or changed; equal passwords are not written anew."""
    path = tmp_path / "password.db"
    write_password(path, "ana", "one")
    write_password(path, "bo", "two")
    before = read_passwords(path)
    write_password(path, "bo", "two")
    assert read_passwords(path) == before

    write_password(path, "bo", "three")

    after = read_passwords(path)
    assert after["ana"] == before["ana"]
    assert after["bo"] != before["bo"]


@pytest.mark.parametrize("user", ["", "a:b", "line\nbreak", "Ana", "../x"])
def test_a_name_that_would_break_the_file_is_refused(tmp_path, user):
    """A colon or a line break would let one user write another's line."""
    with pytest.raises(BadInputError, match="no user's name"):
        write_password(tmp_path / "password.db", user, "x")

    assert read_passwords(tmp_path / "password.db") == {}


def test_every_variable_of_the_configuration_is_given(project):
    """A name in deploy/trino/etc that nobody sets keeps the server from starting."""
    wanted = {
        name
        for path in ETC.rglob("*.properties")
        for name in re.findall(r"\$\{ENV:([A-Z_0-9]+)\}", path.read_text(encoding="utf-8"))
    }
    given = _trino(project, client_id="admin")._environment()

    assert wanted
    assert wanted <= set(given)


@pytest.mark.parametrize(("client_id", "folder"), [("", "catalog-open"), ("admin", "catalog-oauth2")])
def test_the_catalog_file_follows_the_catalog_s_sign_in(project, client_id, folder):
    """Both files name the same catalog; only one of them knows credentials."""
    chosen = _trino(project, client_id=client_id)._environment()["TRINO_CATALOGS"]

    assert chosen == folder
    text = (ETC / folder / "lake.properties").read_text(encoding="utf-8")
    assert ("oauth2.credential" in text) is bool(client_id)


def test_no_secret_stands_in_the_configuration():
    """What is committed names variables only."""
    for path in ETC.rglob("*.properties"):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            if re.search(r"secret|password(?!-)|credential|keystore\.key", name.split(".")[-1]):
                assert value.startswith("${ENV:"), f"{path.name}: {name}"


def test_without_the_server_the_command_names_make_trino_and_remembers_nothing(
    project, tmp_path, monkeypatch
):
    """A plain `lake up` afterwards must not stumble over a server that was never there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    with pytest.raises(ConfigurationError) as caught:
        start(project, extras=["trino"])

    assert caught.value.hint == "make trino"
    assert not project.state.exists()


def test_secrets_are_generated_once_and_shown_nowhere(project):
    """The same password at each start, another one in another project; `repr` and address hold none."""
    trino = _trino(project, client_id="admin")
    password = trino.settings().password.get_secret_value()

    assert trino.settings().password.get_secret_value() == password
    assert len(password) >= 32
    assert password not in repr(trino) + repr(trino.settings()) + trino.address()
    assert trino.address() == f"Trino https://{HOST}:18443"
    assert stat.S_IMODE((project.state / "trino" / "secrets.json").stat().st_mode) == 0o600
