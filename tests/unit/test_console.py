"""The console's pure pieces: verdicts, ages, the picture of the lineage, the answer that is remembered."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.navigation.page import StreamlitPage
from streamlit.testing.v1 import AppTest

from app.console.look import plain
from app.console.parts import Problem, attempt
from app.console.picture import chart, columns, positions
from app.console.remembered import Remembered
from app.console.screens.lineage import clicked
from lake.errors import UnavailableError
from lake.inspect.ages import describe_count, describe_span
from lake.inspect.freshness import judge_model, judge_stream
from lake.inspect.lineage import Lineage, LineageNode, Stage
from lake.inspect.values import BuildLine, StreamFacts, Verdict

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def stream(**changes):
    facts = {
        "stream": "transactions",
        "table": "raw.transactions",
        "origin": "topic transactions",
        "sla": HOUR,
        "lag": 0,
        "newest_event": NOW - timedelta(minutes=5),
        "committed_at": NOW - timedelta(minutes=4),
    }
    return StreamFacts(**{**facts, **changes})


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.FRESH),
        ({"newest_event": NOW - 3 * HOUR}, Verdict.QUIET),  # nothing waits: the source is silent
        ({"newest_event": NOW - 3 * HOUR, "lag": 10}, Verdict.LATE),
        ({"lag": 10}, Verdict.FRESH),  # waits, but not longer than promised
        ({"lag": None}, Verdict.UNKNOWN),
        ({"committed_at": None}, Verdict.MISSING),
        ({"sla": None, "newest_event": NOW - 3 * HOUR, "lag": 10}, Verdict.FRESH),
        ({"newest_event": date(2026, 11, 23), "sla": timedelta(0)}, Verdict.FRESH),  # a day counts to its end
        ({"newest_event": date(2026, 11, 21)}, Verdict.QUIET),
        ({"is_extract": True, "committed_at": NOW - 2 * HOUR}, Verdict.LATE),
        ({"is_extract": True, "committed_at": NOW - 2 * HOUR, "checked_at": NOW}, Verdict.FRESH),
    ],
)
def test_a_stream_is_held_against_its_contract(changes, verdict):
    """Both sides of each rule."""
    assert judge_stream(stream(**changes), now=NOW).verdict is verdict


def build(through, result="succeeded"):
    return BuildLine(model="m", result=result, through=through, at=NOW, seconds=1.0, rows=1, error="")


MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("built", "verdict"),
    [
        (build(MIDNIGHT), Verdict.FRESH),
        (build(MIDNIGHT - DAY), Verdict.FRESH),  # the interval that ended last may wait for its run
        (build(MIDNIGHT - 2 * DAY), Verdict.LATE),
        (build(MIDNIGHT, "refused"), Verdict.FAILED),
        (build(MIDNIGHT, "failed"), Verdict.FAILED),
        (None, Verdict.UNKNOWN),
    ],
)
def test_a_model_is_held_against_its_schedule(built, verdict):
    """Late when a whole interval before the last one is missing."""
    found = judge_model(kind="FULL", cron="@daily", built=built, failing_audits=0, exists=True, now=NOW)
    assert found.verdict is verdict


def test_failing_audits_and_missing_tables_are_not_fresh():
    """Also for views, which have no schedule."""
    view = {"kind": "VIEW", "cron": "@daily", "built": None, "now": NOW}
    assert judge_model(**view, failing_audits=1, exists=True).verdict is Verdict.FAILED
    assert judge_model(**view, failing_audits=0, exists=False).verdict is Verdict.MISSING
    assert judge_model(**view, failing_audits=0, exists=True).verdict is Verdict.FRESH


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (7800, "2 h 10 min"),
        (6 * 86400 + 5, "6 d"),
    ],
)
def test_spans_read_in_their_largest_unit(seconds, text):
    """Two units only where the second one matters."""
    assert describe_span(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (8431, "8,431"),
        (92_331, "92.3k"),
        (1_657_581, "1.66M"),
        (999_499, "999k"),
        (999_999, "1M"),
        (10**13, "10,000B"),
    ],
)
def test_counts_fit_a_tile(count, text):
    """Exact while short."""
    assert describe_count(count) == text


def node(name, stage=Stage.STAGING):
    return LineageNode(
        id=name, label=name, stage=stage, kind="view", owner="", description="", table=name, items=()
    )


DIAMOND = Lineage(
    nodes=(node("a", Stage.SOURCE), node("b"), node("c"), node("d", Stage.MART), node("alone")),
    edges=(("a", "b"), ("a", "c"), ("b", "c"), ("b", "d"), ("c", "d")),
)


def test_every_edge_of_the_picture_goes_to_the_right():
    """A column is one right of the farthest source, so c stands after b."""
    found = columns(DIAMOND)
    assert all(found[a] < found[b] for a, b in DIAMOND.edges)
    assert found == {"a": 0, "b": 1, "c": 2, "d": 3, "alone": 0}


def test_no_two_nodes_of_the_picture_stand_on_one_place():
    """Also those without any edge."""
    places = positions(DIAMOND)
    assert len(set(places.values())) == len(DIAMOND.nodes)


def test_a_circle_is_drawn_and_not_followed_for_ever():
    """Files can be wrong while they are edited: the page still opens."""
    circle = Lineage(nodes=(node("a"), node("b")), edges=(("a", "b"), ("b", "a")))
    assert set(positions(circle)) == {"a", "b"}
    assert circle.upstream("a") == {"b"}


def test_what_has_no_part_in_the_selection_fades():
    """Selected b: its sources and readers stay, the lone node goes pale."""
    series = chart(DIAMOND, verdicts={"b": Verdict.LATE}, selected="b")["series"][0]
    colours = {n["id"]: n["label"]["color"] for n in series["data"]}
    assert colours["alone"] != colours["a"] == colours["b"] == colours["d"]
    assert [n["id"] for n in series["data"]] == [n.id for n in DIAMOND.nodes]


def test_the_boxes_can_be_seen():
    """They are drawn by their labels, which take the opacity of the empty symbol unless told otherwise."""
    series = chart(DIAMOND, verdicts={}, selected=None)["series"][0]
    for box in series["data"]:
        label, symbol = series["label"] | box["label"], series["itemStyle"] | box.get("itemStyle", {})
        assert label.get("opacity", symbol.get("opacity", 1)) == 1


def selection(*indices, data_type="node"):
    groups = [{"series_index": 0, "data_type": data_type, "data_indices": list(indices)}] if indices else []
    return {"selection": {"selected": groups, "areas": []}}


def test_a_click_means_the_node_at_its_index():
    """Edges, nothing, and indices of an older picture mean no node."""
    assert clicked(DIAMOND, selection(1)) == "b"
    assert clicked(DIAMOND, selection()) is None
    assert clicked(DIAMOND, selection(1, data_type="edge")) is None
    assert clicked(DIAMOND, selection(99)) is None


def test_data_is_never_markup():
    """A description with markdown, a directive or HTML shows as it is."""
    assert plain("**x** :red[y] <b> $1") == r"\*\*x\*\* \:red\[y\] \<b\> \$1"


def test_a_part_that_fails_is_a_value():
    """Expected errors keep message and command, unexpected ones are named without their text."""

    def unavailable():
        raise UnavailableError("catalog", "gone", hint="lake up")

    def broken():
        raise ZeroDivisionError("secret")

    assert attempt(lambda: 7) == 7
    assert attempt(unavailable) == Problem(message="catalog: gone", hint="lake up", service="catalog")
    found = attempt(broken)
    assert isinstance(found, Problem)
    assert "secret" not in found.message


class Hands:
    """A clock that is moved by hand."""

    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return NOW

    def monotonic(self):
        return self.seconds

    def sleep(self, seconds):
        self.seconds += seconds


def test_an_answer_is_remembered_then_shown_once_more_then_asked_for_at_once():
    """Fresh: remembered. Older: the old one, and a new one behind the scenes. Stale: the new one."""
    clock, asked, done = Hands(), [], Event()

    def read():
        asked.append(clock.seconds)
        done.set()
        return len(asked)

    remembered = Remembered(read, ttl=10, stale=100, clock=clock)
    assert remembered.get() == remembered.get() == 1
    done.clear()
    clock.seconds = 50
    assert remembered.get() == 1
    assert done.wait(5)
    clock.seconds = 500
    assert remembered.get() == 3
    remembered.forget()
    assert remembered.get() == 4


def test_each_page_is_at_its_name_and_health_at_the_root_as_well(monkeypatch):
    """What the router hands to Streamlit; the second path of the same page is no second tab."""
    shown: list[StreamlitPage] = []

    def navigation(pages, **_):
        shown.extend(pages)
        return SimpleNamespace(run=lambda: None)

    monkeypatch.setattr(st, "navigation", navigation)
    router = AppTest.from_file(ROOT / "app" / "console" / "main.py", default_timeout=120).run()

    assert not router.exception
    assert [p.url_path for p in shown] == ["", "lineage", "activation", "health"]
    assert [p.title for p in shown if p.visibility == "visible"] == ["Health", "Lineage", "Activation"]
