"""Reconciling Redpanda Connect against a server that behaves, and misbehaves, as its code does."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import yaml

from ingest.connect.licence import ENTERPRISE
from ingest.connect.pipeline import digest_of, load_pipelines
from ingest.connect.plan import Step
from ingest.connect.service import Connect, StreamState
from lake.errors import BadInputError, ConfigurationError, UnavailableError
from lake.settings import ConnectSettings, Settings
from tests.fakes.connect_server import FakeConnect, Fault

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path.stem for path in (ROOT / "ingest" / "pipelines").glob("*.yaml"))
FOREIGN = {"input": {"generate": {}}, "output": {"drop": {}}}
SECRET = "s3cr3t-of-the-broker"


class Impatient:
    """A clock whose waiting takes no time."""

    def now(self):
        raise AssertionError

    def monotonic(self):
        return 0.0

    def sleep(self, seconds):
        del seconds


@pytest.fixture
def fake():
    return FakeConnect(streams={"somebody_else": FOREIGN})


@pytest.fixture
def folder(tmp_path):
    describe(tmp_path, "a")
    describe(tmp_path, "b")
    return tmp_path


def describe(folder, name, *, topic="t", **extra):
    document = {
        "input": {"redpanda": {"topics": [topic], "sasl": [{"password": "${broker_password}"}]}},
        "output": {"drop": {}},
        **extra,
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(document))


def connect_to(fake, folder, **settings):
    return Connect(
        Settings(
            project_root=folder,
            variables={"broker_password": SECRET},
            connect=ConnectSettings(**settings),
        ),
        folder,
        transport=fake.transport(),
        clock=Impatient(),
    )


def steps(plan):
    return {action.stream: action.step for action in plan.actions}


def test_apply_makes_what_is_described_and_a_second_time_nothing(fake, folder):
    """Streams get our prefix; variables are filled in by us; others are left alone."""
    connect = connect_to(fake, folder)

    assert steps(connect.plan()) == {"lakemesh_a": Step.CREATE, "lakemesh_b": Step.CREATE}
    assert [a.error for a in connect.apply()] == ["", ""]
    assert fake.streams["lakemesh_a"]["input"]["redpanda"]["sasl"] == [{"password": SECRET}]
    assert set(fake.streams) == {"lakemesh_a", "lakemesh_b", "somebody_else"}

    calls = len(fake.calls)
    assert connect.apply() == ()
    assert len(fake.calls) == calls


def test_a_changed_pipeline_is_replaced_and_one_that_is_gone_deleted(fake, folder):
    """The foreign stream stays as it is, and nothing is ever replaced in bulk."""
    connect = connect_to(fake, folder)
    connect.apply()
    describe(folder, "a", topic="other")
    (folder / "b.yaml").unlink()

    assert steps(connect.plan()) == {"lakemesh_a": Step.UPDATE, "lakemesh_b": Step.DELETE}
    connect.apply()

    assert set(fake.streams) == {"lakemesh_a", "somebody_else"}
    assert fake.streams["lakemesh_a"]["input"]["redpanda"]["topics"] == ["other"]
    assert fake.streams["somebody_else"] == FOREIGN
    assert ("POST", "/streams") not in fake.calls


def test_streams_that_a_restart_forgot_are_made_again(fake, folder):
    """Connect keeps streams in memory: absent shows in status and is mended by apply."""
    connect = connect_to(fake, folder)
    connect.apply()
    fake.streams.clear()

    assert {s.state for s in connect.status()[0]} == {StreamState.ABSENT}
    connect.apply()
    assert {s.state for s in connect.status()[0]} == {StreamState.RUNNING}


@pytest.mark.parametrize("fault", [f for f in Fault if f is not Fault.NONE])
@pytest.mark.parametrize("change", ["create", "update", "delete"])
def test_one_fault_is_mended_by_the_same_apply(fake, folder, fault, change):
    """Whatever happened to the answer, reading back finds out, and the stream is as wanted."""
    connect = connect_to(fake, folder)
    (folder / "b.yaml").unlink()
    if change != "create":
        connect.apply()
    if change == "update":
        describe(folder, "a", topic="other")
    if change == "delete":
        (folder / "a.yaml").unlink()
    fake.faults.append(fault)

    (done,) = connect.apply()

    assert done.error == ""
    assert connect.plan().changes == ()
    if fault is not Fault.RESTART:
        assert fake.streams["somebody_else"] == FOREIGN


def test_an_update_that_can_not_be_built_leaves_the_old_stream_running(fake, folder):
    """PUT deletes first: when the new one never comes up, what ran before is put back."""
    connect = connect_to(fake, folder)
    connect.apply()
    describe(folder, "a", topic="other")
    fake.faults.extend([Fault.CREATE_FAILS] * 3)

    (done,) = connect.apply()

    assert done.restored
    assert "runs as before" in done.error
    assert fake.streams["lakemesh_a"]["input"]["redpanda"]["topics"] == ["t"]


def test_a_stream_that_can_not_be_put_back_is_never_silently_absent(fake, folder):
    """The message shouts, status shows it, and the next apply mends it."""
    connect = connect_to(fake, folder)
    connect.apply()
    describe(folder, "a", topic="other")
    fake.faults.extend([Fault.CREATE_FAILS] * 6)

    (done,) = connect.apply()

    assert not done.restored
    assert "DOES NOT RUN" in done.error
    assert {s.stream: s.state for s in connect.status()[0]}["lakemesh_a"] is StreamState.ABSENT
    assert [a.error for a in connect.apply()] == [""]


@pytest.mark.parametrize("key", ["lint_errors", "linting_errors"])
def test_a_refused_configuration_is_explained_and_hides_secrets(fake, folder, key):
    """Both names of the list are read; the other stream is applied all the same; nothing was lost."""
    connect = connect_to(fake, folder)
    connect.apply()
    fake.lint_key = key
    describe(folder, "a", buffer={"bad": SECRET})
    describe(folder, "b", topic="other")

    first, second = connect.apply()

    assert "is no number" in first.error
    assert SECRET not in first.error
    assert second.error == ""
    assert "lakemesh_a" in fake.streams


def test_no_secret_is_shown(fake, folder):
    """Neither plan nor status nor a repr holds the password that Connect echoes."""
    connect = connect_to(fake, folder)
    connect.apply()
    describe(folder, "a", topic="other")

    shown = repr([connect.plan(), connect.status(), load_pipelines(folder, settings_of(folder))])

    assert SECRET not in shown


def settings_of(folder):
    return Settings(project_root=folder, variables={"broker_password": SECRET})


def test_a_blocked_stream_is_stopped_by_force(fake, folder):
    """DELETE and PUT carry a timeout, without which they would wait for ever."""
    connect = connect_to(fake, folder)
    connect.apply()
    fake.blocked |= {"lakemesh_a", "lakemesh_b"}
    describe(folder, "a", topic="other")
    (folder / "b.yaml").unlink()

    assert [a.error for a in connect.apply()] == ["", ""]


def test_named_pipelines_are_looked_at_alone(fake, folder):
    """An unfinished neighbour doesn't keep one from being applied; unknown names are refused."""
    connect = connect_to(fake, folder)
    (folder / "c.yaml").write_text("input: {redpanda: {topics: ['${nobody_knows}']}}\noutput: {drop: {}}\n")

    assert [a.stream for a in connect.apply(["a"])] == ["lakemesh_a"]
    with pytest.raises(ConfigurationError, match="nobody_knows"):
        connect.apply()
    with pytest.raises(BadInputError, match="known: a, b, c"):
        connect.apply(["z"])


def test_delete_takes_only_ours(fake, folder):
    """A described stream may be stopped; somebody else's has no name here."""
    connect = connect_to(fake, folder)
    connect.apply()

    assert [a.error for a in connect.delete(["a"])] == [""]
    assert set(fake.streams) == {"lakemesh_b", "somebody_else"}
    with pytest.raises(BadInputError):
        connect.delete(["somebody_else"])


def test_status_tells_states_apart(fake, folder):
    """Ended, changed by hand, left over and not connected."""
    connect = connect_to(fake, folder)
    connect.apply()
    fake.ended.add("lakemesh_a")
    fake.streams["lakemesh_b"] = FOREIGN
    fake.streams["lakemesh_old"] = FOREIGN
    fake.disconnected.add("lakemesh_b")

    found, not_ready = connect.status()

    assert {s.stream: s.state for s in found} == {
        "lakemesh_a": StreamState.ENDED,
        "lakemesh_b": StreamState.DIFFERS,
        "lakemesh_old": StreamState.LEFT_OVER,
    }
    assert not_ready == "streams lakemesh_b are not connected"
    assert connect.stats(["a"])["lakemesh_a"]["output.sent"] == 3


def test_a_stream_changed_since_the_plan_is_left_to_a_new_decision(fake, folder):
    """Somebody edits it between plan and apply: nothing is overwritten unseen."""
    connect = connect_to(fake, folder)
    connect.apply()
    describe(folder, "a", topic="other")
    plan, pipelines = connect.compare()
    fake.streams["lakemesh_a"] = FOREIGN

    (done,) = connect.carry_out(plan, pipelines)

    assert "changed since the plan" in done.error
    assert fake.streams["lakemesh_a"] == FOREIGN


def test_what_does_not_answer_or_refuses_us_is_named(folder):
    """Down, something else on the port, and a wrong password."""

    class Elsewhere(FakeConnect):
        def handle(self, _request):
            return httpx.Response(200, text="<html>")

    class Down(FakeConnect):
        def handle(self, request):
            raise httpx.ConnectError("refused", request=request)

    with pytest.raises(UnavailableError, match="does not answer"):
        connect_to(Down(), folder).plan()
    with pytest.raises(UnavailableError, match="Streams API"):
        connect_to(Elsewhere(), folder).plan()
    with pytest.raises(ConfigurationError, match="LAKE_CONNECT__PASSWORD"):
        connect_to(FakeConnect(password="Basic x"), folder, username="u").plan()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("input: [", ":1: no valid YAML"),
        ("- a", "missing: input, output"),
        ("input: {drop: {}}", "missing: output"),
        ("input: {stdin: {}}\noutput: {iceberg: {}}", "iceberg needs an enterprise licence"),
        ("input: {broker: {inputs: [{mysql_cdc: {}}]}}\noutput: {drop: {}}", "mysql_cdc needs"),
        ("input: {stdin: {}}\noutput: {file: {path: '${HOME:/x}'}}", "no setting gives"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path, text, says):
    """The message has the file, so that it can be edited."""
    (tmp_path / "x.yaml").write_text(text)

    with pytest.raises(ConfigurationError, match=r"x\.yaml") as error:
        load_pipelines(tmp_path, settings_of(tmp_path))

    assert says in error.value.message


def test_a_value_that_connect_would_fill_in_again_is_refused(tmp_path):
    """What is sent must be what runs."""
    describe(tmp_path, "a")
    settings = Settings(project_root=tmp_path, variables={"broker_password": "${HOME}"})

    with pytest.raises(ConfigurationError, match="looks like a variable"):
        load_pipelines(tmp_path, settings)


def test_the_pipelines_that_ship_load_and_need_no_licence():
    """All four are read with their variables; each reads committed records only and keeps idempotence on."""
    names = ("source_bootstrap_servers", "gateway_key", "product_url", "product_token", "inbox")
    settings = Settings(project_root=ROOT, variables={name: f"<{name}>" for name in names})

    pipelines = load_pipelines(ROOT / "ingest" / "pipelines", settings)

    assert [p.name for p in pipelines] == SHIPPED
    assert len(pipelines) == 4
    for pipeline in pipelines:
        assert "${lake_" not in str(pipeline.config)
        for kind, place in components(pipeline.config, "redpanda"):
            if kind == "input":
                assert place["transaction_isolation_level"] == "read_committed"
                assert place["consumer_group"]
            else:
                assert place["idempotent_write"] is True
    assert "iceberg" in ENTERPRISE


def components(node, name, kind=""):
    """Yield (input or output, configuration) of every component of a name."""
    if isinstance(node, dict):
        for key, member in node.items():
            if key == name:
                yield kind, member
            yield from components(member, name, key if key in {"input", "output"} else kind)
    elif isinstance(node, list):
        for item in node:
            yield from components(item, name, kind)


def test_digests_ignore_the_order_of_members():
    """What Connect echoes has its own order."""
    assert digest_of({"a": 1, "b": [1, 2]}) == digest_of({"b": [1, 2], "a": 1})
    assert digest_of({"a": [1, 2]}) != digest_of({"a": [2, 1]})
