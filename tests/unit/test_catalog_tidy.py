"""Which files of a table are worth rewriting: pure, from what the manifests say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lake.catalog.live_files import LiveFile, LiveFiles
from lake.catalog.tidy import TidyPolicy, plan_tidy

POLICY = TidyPolicy(small_bytes=100, small_files=3, dead_share=0.25, delete_files=3, bytes_at_once=1000)


def file(
    name: str, *, rows: int = 100, deleted: int = 0, size: int = 500, of: str = "p", cuts: int = 0
) -> LiveFile:
    """Build a data file; `cuts` is its number of delete files."""
    return LiveFile(
        path=name,
        partition=(0, of),
        rows=rows,
        bytes=size,
        deleted=deleted,
        deletes=tuple(f"{name}-d{n}" for n in range(cuts or bool(deleted))),
    )


def live(*files: LiveFile, **changes: object) -> LiveFiles:
    """Build a table of those files."""
    return replace(LiveFiles(files=files, shared={}, equality=False, manifests=()), **changes)  # type: ignore[arg-type]


def chosen(*files: LiveFile, **changes: object) -> tuple[set[str], list[set[str]]]:
    """Return the names that are dropped and the groups that are written anew."""
    plan = plan_tidy(live(*files, **changes), POLICY, spec_id=0)
    return {f.path for f in plan.dead}, [{f.path for f in group} for group in plan.groups]


def test_a_file_without_a_live_row_goes_with_its_delete_files() -> None:
    """It is not read."""
    plan = plan_tidy(live(file("a", deleted=100, cuts=2), file("b")), POLICY, spec_id=0)
    assert plan.remove == {"a", "a-d0", "a-d1"}
    assert plan.groups == ()


@pytest.mark.parametrize(
    ("files", "groups"),
    [
        ([file("a", deleted=25)], []),
        ([file("a", deleted=26), file("b")], [{"a"}]),
        ([file("a", deleted=3, cuts=3)], [{"a"}]),
        ([file("a", size=99), file("b", size=99)], []),
        ([file("a", size=99), file("b", size=99), file("c", size=99), file("d")], [{"a", "b", "c"}]),
        ([file("a", size=99), file("b", size=99), file("c", size=99, of="q")], []),
        ([file("a", size=900, deleted=50), file("b", size=900, deleted=50, of="q")], [{"a"}]),
    ],
    ids=["few dead", "many dead", "many delete files", "few small", "many small", "by partition", "budget"],
)
def test_what_is_written_anew(files: list[LiveFile], groups: list[set[str]]) -> None:
    """Dead shares, delete files and small files per partition; a budget bounds one go."""
    assert chosen(*files) == (set(), groups)


def test_what_is_not_understood_is_left_alone() -> None:
    """Delete files for several data files, equality deletes, files of an older partition spec."""
    dying = file("a", deleted=100)
    assert chosen(dying, file("b", deleted=50), shared={(0, "p"): ("x",)}) == (set(), [])
    assert chosen(dying, equality=True) == (set(), [])
    old = replace(file("old", deleted=50), partition=(7, "p"))
    assert chosen(old) == (set(), [])
    assert chosen(replace(dying, partition=(7, "p"))) == ({"a"}, []), "dropping needs no writing"
