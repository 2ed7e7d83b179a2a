"""The proof of the demo can fail: each sum that does not come out is said in words."""

from __future__ import annotations

import pytest

from app.demo.proof import ActivationProof, AuditProof, ExtractProof, StreamProof

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
