"""Child resources: asked for once per parent record, resumable, told from known ones like all others."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from ingest.extract.api.children import Parent, for_parent, included
from ingest.extract.api.definition import ApiResource, ApiSource
from ingest.extract.plan import Extract, plan_extracts
from lake.contracts import parse_contract
from lake.errors import ConfigurationError, TerminalError
from lake.settings import Project, Settings
from tests.fakes.extract_world import Shop, extract_of, run
from tests.fakes.faulty_api import FaultyApi
from tests.fakes.killed import KilledError
from tests.fakes.memory_tables import MemoryTables
from tests.fakes.paged_api import CONTRACT, SOURCE, extract_project

PARTS = CONTRACT.replace("id: things", "id: parts").replace("name: things", "name: parts")
PARTS = PARTS.replace("value: things", "value: parts").replace(
    "    customProperties:", "    customProperties:\n      - {property: mode, value: upsert}"
)
PARTS = PARTS.replace(
    "      - {name: updated_at, logicalType: timestamp, required: true}",
    "      - {name: thing_id, logicalType: integer, logicalTypeOptions: {format: i64}, required: true}",
)


@dataclass
class PartsApi:
    """Answers `/things/<id>/parts` in pages of two; a thing that isn't there is a 404."""

    parts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        _, _, thing, _ = request.url.path.split("/")
        start = int(request.url.params.get("cursor", "0"))
        if start == 0:
            self.asked.append(thing)
        if thing not in self.parts:
            return httpx.Response(404)
        data = self.parts[thing][start : start + 2]
        more = start + 2 < len(self.parts[thing])
        return httpx.Response(200, json={"data": data, "next": str(start + 2) if more else None})


def parts_extract(*, every: str, deletes: bool) -> Extract:
    plain = {
        "source": "shop",
        "owner": "testers",
        "base_url": "http://api.test",
        "commit_rows": 3,
        "resources": [
            {"name": "things", "path": "/things", "stream": "things", "incremental": {}},
            {
                "name": "parts",
                "path": "/things/{id}/parts",
                "stream": "parts",
                "pagination": {"type": "cursor"},
                "parent": {"resource": "things", "every": every, "include": {"thing_id": "id"}},
                "refresh": {"deletes": deletes, "max_deleted": 1},
            },
        ],
    }
    source = ApiSource.model_validate(plain)
    return Extract(
        source=source,
        resource=source.resources[1],
        contract=parse_contract(PARTS),
        parent=parse_contract(CONTRACT),
    )


def things(count: int) -> tuple[Shop, MemoryTables]:
    """Land some parents."""
    shop, tables = Shop(FaultyApi(style="none", size=1)), MemoryTables()
    for number in range(count):
        shop.change(number, "good", 1)
    run(extract_of(shop.api, incremental={}), shop.api, tables)
    return shop, tables


def part(number: int, name: str = "part") -> dict[str, Any]:
    return {"id": number, "name": name, "price": 1}


def landed(tables: MemoryTables) -> list[tuple[int, int, str]]:
    return sorted((row["thing_id"], row["id"], row["meta"]["op"]) for row in tables.content())


def test_children_of_changed_parents_alone_are_asked_for_again():
    """The first run asks for all, later ones for the parents that have a new version."""
    shop, parents = things(3)
    api, tables = PartsApi({str(n): [part(n * 10 + k) for k in range(3)] for n in range(3)}), MemoryTables()
    extract = parts_extract(every="change", deletes=False)

    first = run(extract, api, tables, parents)
    idle = run(extract, api, tables, parents)
    shop.change(1, "good", 1)
    run(extract_of(shop.api, incremental={}), shop.api, parents)
    api.parts["1"].append(part(19))
    later = run(extract, api, tables, parents)

    assert (first.landed, idle.landed, idle.commits, later.landed) == (9, 0, 0, 1)
    assert api.asked == ["0", "1", "2", "1"]
    assert landed(tables)[-4:] == [(1, 19, "insert"), (2, 20, "insert"), (2, 21, "insert"), (2, 22, "insert")]


@pytest.mark.parametrize("kill_at", range(9))
def test_a_run_killed_anywhere_goes_on_at_its_parent(kill_at: int):
    """Parents that are done are not asked again; the one that was under way lands once."""
    _, parents = things(4)
    api = PartsApi({str(n): [part(n * 10 + k) for k in range(n + 1)] for n in range(4)})
    tables, extract = MemoryTables(kill_at=kill_at), parts_extract(every="change", deletes=False)
    with pytest.raises(KilledError):
        run(extract, api, tables, parents)
    tables.kill_at, asked = None, len(api.asked)

    run(extract, api, tables, parents)

    assert [(thing, number) for thing, number, _ in landed(tables)] == [
        (n, n * 10 + k) for n in range(4) for k in range(n + 1)
    ]
    if tables.commits > 1 and kill_at > 4:
        assert len(api.asked) - asked < 4


def test_every_run_finds_what_changed_and_what_is_gone():
    """Children change without their parent; a complete walk over all parents knows what was deleted."""
    _, parents = things(2)
    api, tables = PartsApi({"0": [part(1), part(2)], "1": [part(3)]}), MemoryTables()
    extract = parts_extract(every="run", deletes=True)
    run(extract, api, tables, parents)
    api.parts["0"] = [part(1, "renamed")]

    report = run(extract, api, tables, parents)

    assert (report.fetched, report.landed, report.deleted) == (2, 2, 1)
    changes = [(row["id"], row["meta"]["op"]) for row in tables.content()][3:]
    assert changes == [(1, "update"), (2, "delete")]
    assert run(extract, api, tables, parents).commits == 0


def test_a_parent_that_the_api_no_longer_has_is_passed_over():
    """It is said, and the others land."""
    _, parents = things(3)
    api, tables = PartsApi({"0": [part(1)], "2": [part(2)]}), MemoryTables()

    with capture_logs() as logs:
        run(parts_extract(every="change", deletes=False), api, tables, parents)

    assert [row["id"] for row in tables.content()] == [1, 2]
    assert [entry["parent"] for entry in logs if entry["event"] == "extract.parent_missing"] == [1]


def test_a_path_that_no_parent_has_is_an_error():
    """Ten parents in a row without children are a wrong path, not ten deletions."""
    _, parents = things(12)

    with pytest.raises(TerminalError, match="the first 10 parents of parts have no children at all"):
        run(parts_extract(every="change", deletes=False), PartsApi(), MemoryTables(), parents)


def test_values_of_a_parent_are_quoted_in_the_path_and_plain_in_the_query():
    """A slash in a key must not change the path."""
    resource = ApiResource.model_validate(
        {"name": "x", "stream": "x", "path": "/a/{key}/b", "parameters": {"of": "{key}"},
         "parent": {"resource": "y"}, "refresh": {"deletes": False}}
    )  # fmt: skip

    asked = for_parent(resource, Parent(number=0, values={"key": "a/b c"}))

    assert (asked.path, asked.parameters) == ("/a/a%2Fb%20c/b", {"of": "a/b c"})


@pytest.mark.parametrize(
    ("raw", "gets"),
    [
        (b'{"n" : 1.10}', b'{"of":7,"n" : 1.10}'),
        (b"{ }", b'{"of":7}'),
        (b"[1]", b"[1]"),
    ],
)
def test_a_child_gets_members_of_its_parent_and_keeps_its_bytes(raw: bytes, gets: bytes):
    """What is no object goes to quarantine as it came."""
    assert included(raw, {"of": "key"}, Parent(number=0, values={"key": 7})) == gets
    assert json.loads(gets) is not None


CHILD = """
  - name: parts
    path: /things/{id}/parts
    stream: parts
    parent: {resource: things}
    refresh: {deletes: false}
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("resource: things}", "resource: nothing}", "the parent of parts must stand before it"),
        ("refresh: {deletes: false}", "refresh: {}", "deletes need parent.every: run"),
        ("refresh: {deletes: false}", "incremental: {}", "needs refresh"),
        ("{id}", "{ident}", "names ident, which the contract of its parent things does not have"),
    ],
)
def test_a_wrong_child_is_refused_before_anything_is_asked(tmp_path: Path, old: str, new: str, says: str):
    """File or source are named with what is wrong."""
    settings = extract_project(tmp_path, Settings(project_root=tmp_path))
    (tmp_path / "ingest/contracts/parts.yaml").write_text(PARTS)
    (tmp_path / "ingest/sources/shop.yaml").write_text(SOURCE + CHILD.replace(old, new))

    with pytest.raises(ConfigurationError, match=says):
        plan_extracts(Project(root=settings.project_root))
