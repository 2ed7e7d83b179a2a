"""Features are joined to labels as they were known: held against a loop that reads like the definition."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lake
from lake.errors import BadInputError

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
moments = st.integers(0, 96).map(lambda hours: BEGIN + timedelta(hours=hours))
days = st.integers(0, 4).map(lambda number: date(2026, 1, 1) + timedelta(days=number))
keys = st.one_of(st.none(), st.integers(1, 3))


def known(value: datetime | date) -> datetime:
    """When a feature was known for certain: of a day, once it is over."""
    if isinstance(value, datetime):
        return value
    return datetime(value.year, value.month, value.day, tzinfo=UTC) + timedelta(days=1)


def asked(value: datetime | date) -> datetime:
    """When a label is asked: of a day, at its begin."""
    return value if isinstance(value, datetime) else known(value) - timedelta(days=1)


def oracle(
    labels: list[dict[str, Any]],
    features: list[dict[str, Any]],
    *,
    within: timedelta | None,
    same_moment: bool,
) -> list[dict[str, Any]]:
    """Look at every feature for every label."""
    rows = []
    for label in labels:
        best: dict[str, Any] | None = None
        for feature in features:
            if (
                feature["day"] is None
                or label["at"] is None
                or feature["id"] is None
                or feature["id"] != label["id"]
            ):
                continue
            age = asked(label["at"]) - known(feature["day"])
            if age < timedelta() or (age == timedelta() and not same_moment):
                continue
            if within is not None and age > within:
                continue
            if best is None or known(feature["day"]) > known(best["day"]):
                best = feature
        rows.append({**label, "day": best["day"] if best else None, "x": best["x"] if best else None})
    return rows


@settings(max_examples=60, deadline=None)
@given(data=st.data(), by_day=st.booleans(), labels_by_day=st.booleans(), same_moment=st.booleans())
def test_the_join_is_what_a_loop_over_all_pairs_finds(
    data: st.DataObject, *, by_day: bool, labels_by_day: bool, same_moment: bool
) -> None:
    """Rows, their order and the chosen features agree; nothing of a label's future is in them."""
    when = data.draw(
        st.lists(st.tuples(keys, st.one_of(st.none(), days if labels_by_day else moments)), max_size=12)
    )
    dated = data.draw(
        st.lists(
            st.tuples(keys, st.one_of(st.none(), days if by_day else moments)),
            max_size=12,
            unique_by=lambda row: row if None not in row else object(),
        )
    )
    within = data.draw(st.one_of(st.none(), st.integers(0, 40).map(lambda hours: timedelta(hours=hours))))
    labels = [{"id": key, "at": at} for key, at in when]
    features = [{"id": key, "day": day, "x": number} for number, (key, day) in enumerate(dated)]
    zoned = pa.timestamp("us", tz="UTC")
    joined = lake.join_as_of(
        pa.Table.from_pylist(
            labels, pa.schema([("id", pa.int64()), ("at", pa.date32() if labels_by_day else zoned)])
        ),
        pa.Table.from_pylist(
            features,
            pa.schema([("id", pa.int64()), ("day", pa.date32() if by_day else zoned), ("x", pa.int64())]),
        ),
        by="id",
        label_time="at",
        feature_time="day",
        within=within,
        same_moment=same_moment,
    )
    assert joined.to_pylist() == oracle(labels, features, within=within, same_moment=same_moment)


def frame(**columns: list[Any]) -> pa.Table:
    return pa.table(columns)


def join(labels: Any, features: Any, **options: Any) -> Any:
    return lake.join_as_of(labels, features, by="id", label_time="at", feature_time="known", **options)


def test_a_feature_of_the_next_nanosecond_does_not_leak() -> None:
    """Moments are compared in microseconds, rounded to the safe side."""
    nano = pa.timestamp("ns")
    labels = frame(id=[1], at=pa.array([1_000], nano))
    assert join(labels, frame(id=[1], known=pa.array([1_001], nano), x=[5]))["x"].to_pylist() == [None]
    assert join(labels, frame(id=[1], known=pa.array([1_000], nano), x=[5]))["x"].to_pylist() == [5]


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_the_answer_is_a_frame_of_the_labels_kind(kind: str) -> None:
    """A pandas key that became a double because one is missing still matches."""
    labels = frame(id=[1, None], at=[BEGIN, BEGIN])
    features = frame(id=[1], known=[BEGIN], x=[5])
    if kind == "pandas":
        joined = join(labels.to_pandas(), features.to_pandas())
        assert joined["x"].tolist()[0] == 5
    else:
        import polars as pl

        joined = join(pl.from_arrow(labels), features)
        assert joined["x"].to_list() == [5, None]
    assert type(joined).__module__.startswith(kind)


@pytest.mark.parametrize(
    ("labels", "features", "reason"),
    [
        (frame(id=[1]), frame(id=[1], known=[BEGIN]), "labels have no column at"),
        (frame(id=[1], at=[BEGIN], x=[1]), frame(id=[1], known=[BEGIN], x=[1]), "both have x"),
        (frame(id=["1"], at=[BEGIN]), frame(id=[1], known=[BEGIN]), "id is string in the labels"),
        (frame(id=[1], at=[1]), frame(id=[1], known=[BEGIN]), "at is int64, no time"),
        (frame(id=[1], at=[BEGIN]), frame(id=[1, 1], known=[BEGIN, BEGIN], x=[1, 2]), "two features of id=1"),
        ([1], frame(id=[1], known=[BEGIN]), "list is no frame"),
    ],
)
def test_what_cannot_be_joined_without_a_guess_is_refused(labels: Any, features: Any, reason: str) -> None:
    """The message names the column or the key."""
    with pytest.raises(BadInputError, match=reason):
        join(labels, features)
