"""The pure pieces of extracts: sources, plans, cursors and the check of records."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from ingest.extract.cursor import Cursor, end_walk, look_back, see
from ingest.extract.definition import fill_in
from ingest.extract.judge import Judge
from ingest.extract.plan import plan_extracts
from ingest.extract.records import JsonRecords
from ingest.extract.source import load_source, load_sources
from lake.clock import SystemClock
from lake.contracts import parse_contract
from lake.errors import BadInputError, ConfigurationError, HistoryError
from lake.settings import Project, Settings
from lake.types import Primitive, SnapshotId
from tests.fakes.paged_api import CONTRACT, SOURCE, extract_project

ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return extract_project(tmp_path / "project", Settings(project_root=tmp_path))


def test_the_projects_source_feeds_five_streams():
    """`ingest/sources/retail.yaml` and the contracts name each other."""
    extracts = plan_extracts(Project(root=ROOT))

    assert {e.name for e in extracts} == {
        "retail/products",
        "retail/demographics",
        "retail/campaigns",
        "retail/coupons",
        "retail/campaign_descriptions",
    }


def test_names_choose_sources_and_resources(settings: Settings):
    """A source, one of its resources, or nothing for all; anything else is refused by name."""
    project = Project(root=settings.project_root)

    assert [e.name for e in plan_extracts(project, ["shop"])] == ["shop/things"]
    assert [e.name for e in plan_extracts(project, ["shop/things"])] == ["shop/things"]
    with pytest.raises(BadInputError, match="no extract shop/thing; known: shop, shop/things"):
        plan_extracts(project, ["shop/thing"])


def test_a_manual_source_runs_only_when_it_is_named(settings: Settings):
    """A big or rare load must not start with everything else."""
    path = settings.project_root / "ingest/sources/shop.yaml"
    path.write_text(SOURCE.replace("owner: testers", "owner: testers\nmanual: true"))
    project = Project(root=settings.project_root)

    assert plan_extracts(project) == ()
    assert [e.name for e in plan_extracts(project, ["shop"])] == ["shop/things"]


def test_a_resource_without_its_contract_is_refused(settings: Settings):
    """Contract and source must name each other."""
    path = settings.project_root / "ingest/contracts/things.yaml"
    path.write_text(CONTRACT.replace("value: shop", "value: other"))

    with pytest.raises(ConfigurationError, match="does not name shop/things"):
        plan_extracts(Project(root=settings.project_root))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("token: '${shop_token}'", "token: secret", "secrets stay out of files"),
        ("path: /things", "path: things", "resources.0.path"),
        ("type: cursor", "type: pages", "resources.0.pagination"),
        ("commit_rows: 10", "commit_rows: 0", "commit_rows"),
        ("owner: testers", "owner: testers\nowned: x", "owned"),
    ],
)
def test_a_wrong_source_file_is_named_with_its_key(tmp_path: Path, old: str, new: str, says: str):
    """The message holds file and key, never the value."""
    path = tmp_path / "shop.yaml"
    path.write_text(SOURCE.replace(old, new))

    with pytest.raises(ConfigurationError) as caught:
        load_source(path)

    assert says in caught.value.message
    assert "shop.yaml" in caught.value.message
    assert "token: secret" not in caught.value.message


def test_one_source_stands_in_one_file(tmp_path: Path):
    """A second file of the same source is refused."""
    (tmp_path / "a.yaml").write_text(SOURCE)
    (tmp_path / "b.yaml").write_text(SOURCE)

    with pytest.raises(ConfigurationError, match=r"b\.yaml: source shop stands in another file too"):
        load_sources(tmp_path)


def test_variables_come_from_the_settings():
    """`${name}` is replaced; a missing one is named together with how to set it."""
    variables = {"shop_url": SecretStr("http://x")}

    assert fill_in("${shop_url}/v1", variables, source="shop") == "http://x/v1"
    with pytest.raises(ConfigurationError, match="shop needs the variable shop_token") as caught:
        fill_in("${shop_token}", variables, source="shop")
    assert "LAKE_VARIABLES__SHOP_TOKEN" in caught.value.hint


def test_a_cursor_survives_its_property():
    """What is written is read again; what is no cursor is an error, never a fresh start."""
    cursor = Cursor(sequence=7, since="x", high="y", place={"page": "c2"}, snapshot=SnapshotId(9),
                    snapshot_sequence=3, commits=2)  # fmt: skip

    assert Cursor.from_json(cursor.to_json(), table="raw.things") == cursor
    with pytest.raises(HistoryError, match=r"raw\.things: the stored cursor can't be read"):
        Cursor.from_json('{"since": 1}', table="raw.things")


@pytest.mark.parametrize(
    ("since", "by", "like", "before"),
    [
        ("2026-01-02T00:00:00Z", 90, Primitive.TIMESTAMPTZ, "2026-01-01T23:58:30Z"),
        ("2026-01-02T00:00:00", 1, Primitive.TIMESTAMP, "2026-01-01T23:59:59"),
        ("2026-01-02", 1, Primitive.DATE, "2026-01-01"),
        ("100", 7, Primitive.LONG, "93"),
        (None, 7, Primitive.LONG, None),
    ],
)
def test_a_look_back_is_counted_in_the_units_of_the_column(since, by, like, before):
    """Seconds for times, whole days that hold them for dates, numbers for numbers."""
    assert look_back(since, by, like) == before


def test_a_cursor_moves_only_when_its_walk_has_ended():
    """What was seen so far is kept apart from what is known to be complete."""
    like = Primitive.LONG
    seen = see(see(Cursor(since="3"), 9, like), 5, like)

    assert (seen.since, seen.high) == ("3", "9")
    assert end_walk(seen, like) == Cursor(since="9")
    assert end_walk(see(Cursor(since="3"), 2, like), like) == Cursor(since="3")


def test_a_bad_record_lists_every_rule_that_it_breaks():
    """What can't be read and what breaks a rule stand together; the order of records is kept."""
    raw = [
        b'{"id":1,"name":"fine","price":1,"updated_at":"2026-01-01T00:00:00Z"}',
        b'{"id":"x","price":-2,"updated_at":"2026-01-01T00:00:00Z"}',
        b'{"id":3,"name":"cheap","price":-1,"updated_at":"2026-01-01T00:00:00Z"}',
        b"not json",
    ]

    judged = Judge(parse_contract(CONTRACT), instant="updated_at", clock=SystemClock()).judge(
        JsonRecords(tuple(raw))
    )

    found = {place: [(f.rule, f.path) for f in failures] for place, failures in judged.failures.items()}
    assert judged.rows["id"].to_pylist() == [1]
    assert judged.good.to_pylist() == [0]
    assert judged.bad == (1, 2, 3)
    assert found == {
        1: [("type", "id"), ("required", "name"), ("minimum", "price")],
        2: [("minimum", "price")],
        3: [("json", "")],
    }


def test_a_record_from_the_future_never_takes_the_cursor_with_it():
    """It goes to quarantine; the records before and after it land."""
    raw = [
        b'{"id":1,"name":"fine","price":1,"updated_at":"2026-01-01T00:00:00Z"}',
        b'{"id":2,"name":"soon","price":1,"updated_at":"9999-01-01T00:00:00Z"}',
        b'{"id":3,"name":"late","price":1,"updated_at":"2026-01-02T00:00:00Z"}',
    ]

    judged = Judge(parse_contract(CONTRACT), instant="updated_at", clock=SystemClock()).judge(
        JsonRecords(tuple(raw))
    )

    assert judged.rows["id"].to_pylist() == [1, 3]
    assert judged.good.to_pylist() == [0, 2]
    assert [(f.rule, f.path) for f in judged.failures[1]] == [("future", "updated_at")]
