"""Files into tables: each once, through kills, changes, broken lines and formats."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ingest.extract.landing
from ingest.extract.files.land import land_file
from ingest.extract.run import run_sources
from lake.catalog import load_table, open_catalog
from lake.catalog.scan import read_rows
from lake.catalog.storage import open_storage
from lake.errors import BadInputError, TerminalError
from lake.settings import Settings
from lake.types import TableName
from tests.fakes.killed import KilledError
from tests.fakes.project_files import lay_out

pytestmark = pytest.mark.stack

CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: sales
version: 1.0.0
description: {purpose: Sales for tests.}
team: {name: testers}
schema:
  - name: sales
    physicalType: extract
    customProperties:
      - {property: source, value: shop}
      - {property: resource, value: sales}
    properties:
      - {name: id, logicalType: integer, logicalTypeOptions: {format: i64}, required: true, primaryKey: true}
      - {name: name, logicalType: string}
      - {name: price, logicalType: number, physicalType: 'decimal(12,2)', logicalTypeOptions: {minimum: 0}}
"""
SOURCE = """\
source: shop
type: files
owner: testers
commit_rows: COMMIT
resources:
  - {name: sales, stream: sales, path: 'PATH'}
"""


@pytest.fixture
def shop(own_schemas: Settings, tmp_path: Path) -> Settings:
    """Give a project with a source of files."""
    lay_out(tmp_path, {"ingest/contracts/sales.yaml": CONTRACT})
    (tmp_path / "data").mkdir()
    (tmp_path / "ingest/sources").mkdir()
    write_source(tmp_path, "data/**/*")
    return own_schemas.model_copy(update={"project_root": tmp_path})


def write_source(root: Path, path: str, commit_rows: int = 1000) -> None:
    text = SOURCE.replace("PATH", path).replace("COMMIT", str(commit_rows))
    (root / "ingest/sources/shop.yaml").write_text(text)


def know_by_content(settings: Settings) -> None:
    source = settings.project_root / "ingest/sources/shop.yaml"
    source.write_text(source.read_text().replace("path: ", "identity: content, path: "))


def run(settings: Settings) -> Any:
    (report,) = run_sources(settings)
    return report


def rows_of(settings: Settings, schema: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    state = load_table(open_catalog(settings), TableName(schema=schema, name="sales"))
    return read_rows(state, columns=columns).to_pylist() if state and state.main else []


def landed(settings: Settings) -> list[int]:
    return sorted(row["id"] for row in rows_of(settings, settings.landing.raw_schema, ("id",)))


def coordinates(settings: Settings) -> list[tuple[str, int]]:
    good = rows_of(settings, settings.landing.raw_schema, ("meta",))
    bad = rows_of(settings, settings.landing.quarantine_schema, ("source", "offset"))
    return [(r["meta"]["source"], r["meta"]["offset"]) for r in good] + [
        (r["source"], r["offset"]) for r in bad
    ]


def write_csv(path: Path, ids: range, *, broken: tuple[int, ...] = ()) -> None:
    lines = [f"{n},thing {n},{'free' if n in broken else '1.25'}" for n in ids]
    path.write_text("id,name,price\n" + "\n".join(lines) + "\n")


def test_files_of_every_format_land_once_in_one_commit(shop: Settings):
    """CSV, JSON lines, a JSON array, Parquet, packed or not; only a new file is new."""
    import gzip

    data = shop.project_root / "data"
    write_csv(data / "a.csv", range(3))
    (data / "b.ndjson").write_text('{"id":3,"price":1.5}\n\n{"id":4}\n')
    (data / "c.json").write_text('[{"id":5},{"id":6}]')
    pq.write_table(pa.table({"id": pa.array([7, 8]), "price": pa.array([1.5, None])}), data / "d.parquet")
    with gzip.open(data / "e.csv.gz", "wt") as packed:
        packed.write("id,price\n9,2\n")
    (data / "_SUCCESS").write_text("")

    first, second = run(shop), run(shop)
    (data / "later").mkdir()
    write_csv(data / "later/f.csv", range(10, 12))
    third = run(shop)

    assert (first.landed, first.commits, second.commits, third.landed) == (10, 1, 0, 2)
    assert landed(shop) == list(range(12))
    assert ("shop.sales:data/a.csv", 0) in coordinates(shop)


def test_bad_lines_are_quarantined_with_their_place(shop: Settings):
    """A cell that is no number, a rule, a line with too many cells: row by row, the others land."""
    (shop.project_root / "data/a.csv").write_text(
        "id,name,price\n1,x,1\n2,x,free\n3,x,1,more\n4,x,-1\n5,x,1\n"
    )

    report = run(shop)

    bad = rows_of(shop, shop.landing.quarantine_schema, ("offset", "reason", "value"))
    assert report.landed == 2
    assert landed(shop) == [1, 5]
    assert sorted((r["offset"], r["reason"]) for r in bad) == [(1, "type"), (2, "csv"), (3, "minimum")]
    assert json.loads(next(r["value"] for r in bad if r["offset"] == 1)) == {
        "id": 2,
        "name": "x",
        "price": "free",
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_runs_killed_at_random_commits_land_each_row_once(
    shop: Settings, monkeypatch: pytest.MonkeyPatch, seed: int
):
    """A large file in many commits and small ones beside it; killed before or after any commit."""
    data, chance = shop.project_root / "data", random.Random(seed)
    write_source(shop.project_root, "data/*", commit_rows=2)
    write_csv(data / "big.csv", range(40), broken=(7, 30))
    write_csv(data / "small.csv", range(100, 104))
    real = ingest.extract.landing.commit
    monkeypatch.setattr(ingest.extract.files.reader, "_BLOCK", 120)

    def commit(*args: Any, **options: Any) -> Any:
        if chance.random() < 0.15:
            raise KilledError
        outcome = real(*args, **options)
        if chance.random() < 0.15:
            raise KilledError
        return outcome

    kills = 0
    with monkeypatch.context() as patch:
        patch.setattr(ingest.extract.landing, "commit", commit)
        for _ in range(5):
            try:
                run(shop)
            except KilledError:
                kills += 1
    run(shop)

    assert kills
    assert landed(shop) == [n for n in range(40) if n not in {7, 30}] + list(range(100, 104))
    found = coordinates(shop)
    assert len(found) == len(set(found)) == 44


def test_a_file_that_changed_under_its_name_is_refused(shop: Settings):
    """Its old rows stay, the others land, and the message says what to do."""
    data = shop.project_root / "data"
    write_csv(data / "a.csv", range(2))
    run(shop)
    write_csv(data / "a.csv", range(5))
    write_csv(data / "b.csv", range(10, 12))

    with pytest.raises(TerminalError, match=r"data/a\.csv changed after it had landed"):
        run(shop)

    assert landed(shop) == [0, 1, 10, 11]


def test_a_file_that_cannot_be_read_leaves_nothing_behind(shop: Settings):
    """Cut off, or without a required column: named, and the other files land."""
    data = shop.project_root / "data"
    (data / "a.parquet").write_bytes(b"PAR1 no parquet")
    (data / "b.csv").write_text("name\nx\n")
    write_csv(data / "c.csv", range(2))

    with pytest.raises(BadInputError, match=r"data/a\.parquet can't be read as parquet"):
        run(shop)

    assert landed(shop) == [0, 1]
    (data / "a.parquet").unlink()
    with pytest.raises(BadInputError, match=r"data/b\.csv has no column id; nothing of it has landed"):
        run(shop)


def test_files_on_object_storage_land_by_a_manifest(shop: Settings):
    """`s3://` is the lake's own storage; a manifest names what belongs to it."""
    folder = f"{shop.storage.bucket}/{shop.landing.raw_schema}"
    store = open_storage(shop)
    listed = json.dumps({"files": [{"path": f"s3://{folder}/b.csv"}]})
    for name, text in (("a.csv", "id\n1\n"), ("b.csv", "id\n2\n"), ("m.json", listed)):
        with store.open_output_stream(f"{folder}/{name}") as stream:
            stream.write(text.encode())
    source = shop.project_root / "ingest/sources/shop.yaml"

    write_source(shop.project_root, "x")
    source.write_text(source.read_text().replace("path: 'x'", f"manifest: 's3://{folder}/m.json'"))
    by_manifest = run(shop).landed
    write_source(shop.project_root, f"s3://{folder}/*.csv")
    by_pattern = run(shop).landed

    assert (by_manifest, by_pattern) == (1, 1)
    assert landed(shop) == [1, 2]


def test_content_that_has_landed_in_part_is_left_to_who_began_it(
    shop: Settings, monkeypatch: pytest.MonkeyPatch
):
    """Landing it by hand as well would repeat what is there."""
    write_source(shop.project_root, "data/*", commit_rows=2)
    know_by_content(shop)
    file = shop.project_root / "data/big.csv"
    write_csv(file, range(40))
    monkeypatch.setattr(ingest.extract.files.reader, "_BLOCK", 120)
    real = ingest.extract.landing.commit

    def commit(*args: Any, **options: Any) -> Any:
        real(*args, **options)
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(ingest.extract.landing, "commit", commit)
        with pytest.raises(KilledError):
            run(shop)

    with pytest.raises(TerminalError, match=r"big\.csv.* has landed in part by shop/sales"):
        land_file(shop, str(file), "sales")
    run(shop)
    assert landed(shop) == list(range(40))


def test_a_file_landed_by_hand_lands_once_whatever_it_is_called(shop: Settings):
    """`lake land` knows a file by its content."""
    one, other = shop.project_root / "one.csv", shop.project_root / "other.csv"
    write_csv(one, range(3))
    os.link(one, other)

    reports = [land_file(shop, str(path), "sales") for path in (one, other)]

    assert [r.landed for r in reports] == [3, 0]
    write_source(shop.project_root, "*.csv")
    know_by_content(shop)
    write_csv(other.with_name("new.csv"), range(7, 9))
    assert run(shop).landed == 2, "the source knows the content that landed by hand"
    assert land_file(shop, str(other.with_name("new.csv")), "sales").landed == 0
    with pytest.raises(BadInputError, match="no contract describes the stream nothing"):
        land_file(shop, str(one), "nothing")
