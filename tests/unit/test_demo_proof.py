"""The proof of the demo can fail: each sum that does not come out is said in words."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest

from app.demo.proof import ActivationProof, AuditProof, ExtractProof, PromotionsProof, StreamProof
from lake.postgres import read_sections

GOOD = {
    "stream": "transactions",
    "source": 100,
    "planted": 3,
    "produced": 93,
    "not_due": 10,
    "landed": 90,
    "quarantined": 3,
    "duplicates": 0,
}


def test_sums_that_come_out_prove_the_stream():
    """No violation when every count agrees."""
    assert StreamProof(**GOOD).violations() == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"not_due": 9}, "source 100 + planted 3"),
        ({"landed": 89}, "produced 93"),
        ({"landed": 91, "quarantined": 2}, "planted 3 ≠ quarantined 2"),
        ({"duplicates": 1}, "1 duplicates"),
    ],
)
def test_a_stream_with_a_wrong_sum_is_not_proven(change, said):
    """A lost, doubled or invented record shows in the sum that it breaks."""
    assert any(said in line for line in StreamProof(**GOOD | change).violations())


def test_an_extract_that_lost_a_row_is_not_proven():
    """What the API serves must have landed."""
    proof = ExtractProof(stream="products", served=10, landed=9, quarantined=0, duplicates=0)

    assert proof.violations() == ("products: served 10 ≠ landed 9 + quarantined 0",)


def test_no_audit_is_no_proof():
    """A run in which no audit ran does not count as passed."""
    assert AuditProof(passed=0, failed=0).violations() == ("no audit ran",)
    assert AuditProof(passed=5, failed=1).violations() == ("1 audits failed",)
    assert AuditProof(passed=5, failed=0).violations() == ()


def test_an_activation_that_missed_a_household_is_not_proven():
    """Mart, ledger and destination must agree."""
    assert ActivationProof(sync="tiers", wanted=3, ledger=3, destination=3).violations() == ()
    assert ActivationProof(sync="tiers", wanted=3, ledger=3, destination=2).violations() != ()


def test_promotions_are_proven_by_the_file_and_by_their_mart():
    """A row that the mart does not count is as wrong as one that never landed."""
    proof = PromotionsProof(source=10, landed=10, quarantined=0, duplicates=0, built=10, steps=())

    assert proof.violations() == ()
    assert replace(proof, built=9).violations() == ("promotions: landed 10 ≠ counted in the mart 9",)
    assert replace(proof, duplicates=1).violations() == ("promotions: 1 duplicates",)
    assert "source" not in replace(proof, source=11).violations()[0]
    assert "served 11 ≠ landed 10" in replace(proof, source=11).violations()[0]


@pytest.mark.parametrize(
    "repeat", [None, ("raw", "t", 0, 59), ("raw", "t", 1, 60), ("quarantine", "t", 0, 119)]
)
def test_every_repeated_coordinate_is_counted(repeat):
    """In the table, in quarantine, across both, on either side of a word of the count."""
    connection = duckdb.connect()
    connection.execute('CREATE TABLE raw (meta STRUCT(source TEXT, partition INT, "offset" BIGINT))')
    connection.execute('CREATE TABLE quarantine (source TEXT, partition INT, "offset" BIGINT)')
    rows = [("raw", source, part, off) for source in "tu" for part in (0, 1) for off in range(130)]
    rows += [("quarantine", "t", 0, off) for off in (130, 131, 10**12)]
    for table, source, part, off in rows if repeat is None else [*rows, repeat]:
        value = (source, part, off)
        marks = "row(?, ?, ?)" if table == "raw" else "?, ?, ?"
        connection.execute(f"INSERT INTO {table} VALUES ({marks})", value)
    sections = read_sections("app.demo", "count.sql")

    found = connection.execute(sections["coordinates"].format(raw="raw", quarantine="quarantine")).fetchone()
    good = connection.execute(sections["coordinates_of_good"].format(raw="raw")).fetchone()

    extra = 0 if repeat is None else 1
    in_raw = repeat is not None and repeat[0] == "raw"
    assert found == (520 + in_raw, 3 + (extra - in_raw), extra)
    assert good == (520 + in_raw, 0, int(in_raw))
