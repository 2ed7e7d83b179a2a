"""The compose file says what its parts need, mounts what exists, and holds no secret."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from lake.settings import Profile, Project, load_settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCUMENT = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
TEXT_OF_IMAGE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
VARIABLES = set(re.findall(r"\$\{([A-Z_0-9]+)", TEXT))
ONE_SHOT = {"trino-certificate", "trino-access", "migrate"}
# Redpanda Connect's image has neither a shell nor curl; landing shows its health as lag; the others say
# in their log what they could not do.
UNASKED = {"redpanda-connect", "connect-streams", "ingest"}


def example() -> dict[str, str]:
    """Return the variables of .env.example."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_every_variable_stands_in_the_example_without_a_value():
    """Whoever copies it sees all that must be chosen, and nobody runs with a password from a repository."""
    assert set(example()) == VARIABLES
    assert set(example().values()) == {""}


def test_a_variable_that_is_missing_stops_the_start():
    """An empty password would be accepted by some of the servers."""
    assert re.findall(r"\$\{[A-Z_0-9]+\}", TEXT) == []
    assert set(re.findall(r"\$\{([A-Z_0-9]+):\?", TEXT)) == VARIABLES


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_written_out(name):
    """What is called a secret is a variable."""
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD(?!_FILE)|SECRET|SALT", key):
            assert str(value).startswith("${"), f"{name}: {key}"


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_mounts_and_builds_is_there(name):
    """A file that is missing becomes an empty folder in the container."""
    service = SERVICES[name]
    mounted = [v.split(":")[0] for v in service.get("volumes", []) if v.startswith("./")]
    build = service.get("build")
    folder = build["context"] if isinstance(build, dict) else build

    assert [path for path in mounted if not (ROOT / path).exists()] == []
    assert build is None or (ROOT / folder / "Dockerfile").is_file()
    named = [v.split(":")[0] for v in service.get("volumes", []) if not v.startswith("./")]
    assert set(named) <= set(DOCUMENT["volumes"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_stays_is_asked_for_its_health(name):
    """Others wait for it, and a person sees it."""
    service = SERVICES[name]

    assert ("healthcheck" in service) is (name not in ONE_SHOT | UNASKED)
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    for other, wanted in service.get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert wanted["condition"] == expected, f"{name} waits for {other}"


def test_nothing_is_published_beyond_this_machine():
    """And the catalog, which asks nobody who they are, not at all."""
    published = {name: s["ports"] for name, s in SERVICES.items() if "ports" in s}

    assert published
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert "rest-catalog" not in published


def test_the_lake_s_own_services_read_their_settings(tmp_path):
    """Every name is a setting; together they are an external profile."""
    environment = {
        name: re.sub(r"\$\{([A-Z_]+).*", r"\1", v) for name, v in SERVICES["ingest"]["environment"].items()
    }
    settings = load_settings(project=Project(root=tmp_path), environment=environment)

    assert settings.profile is Profile.EXTERNAL
    assert (settings.trino.http_scheme, settings.trino.port) == ("https", 8443)
    assert settings.catalog.client_id == ""


def test_trino_gets_every_variable_of_its_configuration():
    """The very files of the laptop, for a catalog that wants no credentials."""
    given = SERVICES["trino"]["environment"]
    etc = ROOT / "deploy" / "trino" / "etc"
    files = [*etc.glob("*.properties"), *(etc / given["TRINO_CATALOGS"]).iterdir()]
    wanted = {n for f in files for n in re.findall(r"\$\{ENV:([A-Z_0-9]+)\}", f.read_text(encoding="utf-8"))}

    assert wanted <= set(given)


def test_our_image_runs_as_an_ordinary_user_on_the_platform_of_its_wheels():
    """Not as root; and not where a wheel is missing."""
    lines = TEXT_OF_IMAGE.splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]

    assert users[-1] not in {"root", "0"}
    assert DOCUMENT["x-lake"]["platform"] == "linux/amd64"
    copied = [line.split()[1] for line in lines if line.startswith("COPY ")]
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_redpanda_connect_is_kept_as_described():
    """It forgets its streams when it restarts; those that are kept are there and need no variable."""
    service = SERVICES["connect-streams"]
    url = httpx.URL(service["environment"]["LAKE_CONNECT__URL"])

    assert url.host in SERVICES
    assert service["entrypoint"][-1] in {v.split(":")[1] for v in service["volumes"]}
    for name in service["command"]:
        text = (ROOT / "ingest" / "pipelines" / f"{name}.yaml").read_text(encoding="utf-8")
        known = {"lake_bootstrap_servers", "lake_topic_prefix", "gateway_url"}
        assert set(re.findall(r"\$\{(\w+)\}", text)) <= known, name


def test_our_image_holds_what_the_project_is_made_of():
    """A folder that SQLMesh reads and the image lacks is a model that fails there alone."""
    copied = {line.split()[1] for line in TEXT_OF_IMAGE.splitlines() if line.startswith("COPY ")}
    read = {"config.yaml", "models", "macros", "audits", "signals", "linter", "external_models", "ingest"}

    assert read <= copied


def test_docker_s_own_reader_accepts_the_file_where_it_is_installed(tmp_path):
    """`docker compose config` needs no engine; a client without the plugin can't be asked."""
    asked = _docker("compose", "version")
    if asked is None or asked.returncode != 0:
        return
    filled = tmp_path / ".env"
    filled.write_text("".join(f"{name}=x\n" for name in VARIABLES), encoding="utf-8")

    done = _docker("compose", "--env-file", str(filled), "config", "--format", "json")

    assert done is not None
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["services"]) == set(SERVICES)


def _docker(*arguments: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            ["docker", *arguments],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
