"""Any order of edits, restarts and faults: the reconciler converges, and no stream is silently absent."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import hypothesis
import yaml
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ingest.connect.service import Connect, StreamState
from lake.settings import ConnectSettings, Settings
from tests.fakes.connect_server import FakeConnect, Fault

NAMES = st.sampled_from(["a", "b", "c"])
FOREIGN = {"input": {"generate": {}}, "output": {"drop": {}}}


class Still:
    """A clock whose waiting takes no time."""

    def sleep(self, seconds):
        del seconds


class Reconciling(RuleBasedStateMachine):
    """The oracle is the folder of descriptions and what somebody else runs."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="lakemesh-connect-"))
        self.fake = FakeConnect(streams={"foreign": FOREIGN})
        self.connect = Connect(
            Settings(project_root=self.folder, connect=ConnectSettings()),
            self.folder,
            transport=self.fake.transport(),
            clock=Still(),
        )
        self.restarted = False

    @rule(name=NAMES, topic=st.integers(0, 3))
    def describe(self, name, topic):
        document = {"input": {"redpanda": {"topics": [f"t{topic}"]}}, "output": {"drop": {}}}
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(document))

    @rule(name=NAMES)
    def take_away(self, name):
        (self.folder / f"{name}.yaml").unlink(missing_ok=True)

    @rule()
    def restart(self):
        self.fake.streams.clear()
        self.restarted = True

    @rule(name=NAMES)
    def edit_by_hand(self, name):
        if f"lakemesh_{name}" in self.fake.streams:
            self.fake.streams[f"lakemesh_{name}"] = FOREIGN

    @rule(faults=st.lists(st.sampled_from(Fault), max_size=8))
    def apply(self, faults):
        before = set(self.fake.streams)
        self.fake.faults.extend(faults)
        done = self.connect.apply()
        self.restarted |= Fault.RESTART in faults
        self.fake.faults.clear()
        told = {a.stream for a in done if "DOES NOT RUN" in a.error or "not known" in a.error}
        described = {f"lakemesh_{path.stem}" for path in self.folder.glob("*.yaml")}
        if not any(a.error for a in done) and faults.count(Fault.RESTART) < 2:
            assert described <= set(self.fake.streams)
        if Fault.RESTART not in faults:
            assert described & before <= set(self.fake.streams) | told

    @rule()
    def apply_in_peace(self):
        assert [a.error for a in self.connect.apply() if a.error] == []
        assert self.connect.apply() == ()
        assert {s.state for s in self.connect.status()[0]} <= {StreamState.RUNNING}
        assert {name for name in self.fake.streams if name.startswith("lakemesh_")} == {
            f"lakemesh_{path.stem}" for path in self.folder.glob("*.yaml")
        }

    @invariant()
    def nobody_elses_stream_was_touched(self):
        assert self.restarted or self.fake.streams["foreign"] == FOREIGN
        assert not any(path in {"/streams", "/streams/foreign"} for _, path in self.fake.calls)

    def teardown(self):
        shutil.rmtree(self.folder)


def test_the_reconciler_converges_whatever_happens():
    """Random edits, restarts and faults against an oracle; one apply in peace always ends it."""
    run_state_machine_as_test(
        Reconciling,
        settings=hypothesis.settings(
            max_examples=40, stateful_step_count=20, deadline=None, derandomize=True, print_blob=True
        ),
    )
