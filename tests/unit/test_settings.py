"""Settings: which source wins, what is refused, what is never shown."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from lake.errors import ConfigurationError
from lake.settings import Profile, Project, find_project, load_settings
from lake.settings.model import PostgresSettings, Settings

SOURCES = ("pyproject", "endpoints", "environment", "dotenv")  # in the order of precedence


@pytest.fixture
def project(tmp_path):
    (tmp_path / "config.yaml").touch()
    (tmp_path / ".lake").mkdir(mode=0o700)
    return Project(root=tmp_path)


def load(project, *, pyproject="", endpoints=None, environment=None, dotenv=""):
    """Write the four sources and load them."""
    (project.root / "pyproject.toml").write_text(pyproject)
    project.endpoints_file.write_text(json.dumps(endpoints or {}))
    (project.root / ".env").write_text(dotenv)
    return load_settings(project=project, environment=environment or {})


def sources(present, key="cluster"):
    """Give each source of `present` a value that says where it came from."""
    return {
        "pyproject": f'[tool.lake.broker]\n{key} = "pyproject"\n' if "pyproject" in present else "",
        "endpoints": {"broker": {key: "endpoints"}} if "endpoints" in present else {},
        "environment": {f"LAKE_BROKER__{key.upper()}": "environment"} if "environment" in present else {},
        "dotenv": f"LAKE_BROKER__{key.upper()}=dotenv\n" if "dotenv" in present else "",
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(present=st.sets(st.sampled_from(SOURCES)))
def test_the_later_source_wins(project, present):
    """Every combination: pyproject < endpoints.json < environment < .env."""
    found = load(project, **sources(present)).broker.cluster

    assert found == (max(present, key=SOURCES.index) if present else "lakemesh")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(present=st.sets(st.sampled_from(SOURCES), min_size=1))
def test_the_profile_external_never_reads_the_endpoints_of_a_laptop(project, present):
    """A forgotten `.lake/` can't redirect production."""
    values = sources(present)
    values["environment"] = {**values["environment"], "LAKE_PROFILE": "external"}

    found = load(project, **values)

    left = present - {"endpoints"}
    assert found.profile is Profile.EXTERNAL
    assert found.broker.cluster == (max(left, key=SOURCES.index) if left else "lakemesh")


def test_sections_are_merged_key_by_key(project):
    """A later source replaces what it names and nothing else."""
    found = load(
        project,
        pyproject='[tool.lake.broker]\ncluster = "a"\ntopic_prefix = "team."\n',
        endpoints={"broker": {"cluster": "b"}, "variables": {"retail_url": "http://x"}},
        environment={"LAKE_VARIABLES__CRM_TOKEN": "t"},
    )

    assert (found.broker.cluster, found.broker.topic_prefix) == ("b", "team.")
    assert set(found.variables) == {"retail_url", "crm_token"}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"environment": {"LAKE_BROKR__CLUSTER": "x"}}, "brokr"),
        ({"environment": {"LAKE_BROKER__CLUSTR": "x"}}, "broker.clustr"),
        ({"dotenv": "LAKE_POSTGRES__PORT=many\n"}, "postgres.port"),
        ({"pyproject": '[tool.lake]\nprofil = "external"\n'}, "profil"),
        ({"pyproject": "[tool.lake"}, "pyproject.toml"),
        ({"endpoints": {"storage": {"endpoint": 5}}}, "storage.endpoint"),
        ({"environment": {"LAKE_PROFILE": "laptop"}}, "profile"),
        ({"environment": {"LAKE_BROKER": "x", "LAKE_BROKER__CLUSTER": "y"}}, "LAKE_BROKER"),
        ({"environment": {"LAKE_BROKER": "x"}}, "broker"),
    ],
)
def test_what_does_not_fit_is_named(project, values, named):
    """A typing error is never ignored; the message says which key, and what to do."""
    with pytest.raises(ConfigurationError) as caught:
        load(project, **values)

    assert named in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("content", ["", "{", "[1]", '"text"', "hush{"])
def test_damaged_endpoints_are_said_without_their_content(project, content):
    """The file is named; what stands in it may be a password."""
    project.endpoints_file.write_text(content)

    with pytest.raises(ConfigurationError, match=r"endpoints\.json") as caught:
        load_settings(project=project, environment={})

    assert "hush" not in str(caught.value)


SECRETS = (
    ("storage", "secret_key"),
    ("catalog", "client_secret"),
    ("broker", "sasl_password"),
    ("registry", "password"),
    ("postgres", "password"),
    ("connect", "password"),
    ("trino", "password"),
    ("trino", "mask_salt"),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(secret=st.text(string.ascii_letters + string.digits, min_size=12, max_size=40))
def test_no_secret_is_shown(project, secret):
    """Not by repr, str, JSON or an error, wherever it was set; and `secrets()` knows them all."""
    secret = f"zq7-{secret}"  # so that it is no word of the output itself
    values = {f"LAKE_{s.upper()}__{k.upper()}": f"{secret}{s}{k}" for s, k in SECRETS}
    values["LAKE_VARIABLES__RETAIL_TOKEN"] = f"{secret}token"
    found = load(project, environment=values)

    shown = f"{found!r} {found} {found.model_dump_json()} {found.model_dump()}"
    assert secret not in shown
    assert found.secrets() == set(values.values())


def test_every_secret_field_is_known_to_secrets():
    """A secret added to the model can't be forgotten in `secrets()`."""
    fields = {
        (section, name)
        for section, field in Settings.model_fields.items()
        if hasattr(field.annotation, "model_fields")
        for name, inner in field.annotation.model_fields.items()
        if inner.annotation is SecretStr
    }

    assert fields == set(SECRETS)


@pytest.mark.parametrize(("section", "key"), SECRETS)
def test_an_error_about_a_secret_does_not_quote_it(project, section, key):
    """A secret of the wrong type is said by its key alone."""
    with pytest.raises(ConfigurationError) as caught:
        load(project, endpoints={section: {key: ["hush-hush"]}})

    assert f"{section}.{key}" in caught.value.message
    assert "hush-hush" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_definitions_come_from_the_nearest_folder_above(project, tmp_path):
    """Started anywhere inside a project; outside there is none, and the installed package is never one."""
    inner = tmp_path / "models" / "marts"
    inner.mkdir(parents=True)

    assert find_project(inner).root == tmp_path
    assert find_project(inner).contracts == tmp_path / "ingest" / "contracts"


def test_outside_of_a_project_is_said(tmp_path):
    """Not silently the folder of the package."""
    with pytest.raises(ConfigurationError, match=r"config\.yaml") as caught:
        find_project(tmp_path)

    assert caught.value.hint


def test_defaults_are_safe_for_localhost(project):
    """Without any source nothing points beyond this machine and no password is guessed."""
    found = load(project)

    assert "127.0.0.1" in found.storage.endpoint
    assert found.postgres == PostgresSettings()
    assert found.secrets() == frozenset()
