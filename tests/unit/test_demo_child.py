"""A child of the demo that fails: its last words, its log, its exit code."""

from __future__ import annotations

import sys

import pytest

from app.demo.child import Child, run_child
from lake.errors import LakeError


def child(tmp_path, script: str) -> Child:
    return Child(argv=[sys.executable, "-c", script], cwd=tmp_path, env={}, log=tmp_path / "child.log")


@pytest.mark.parametrize("code", [1, 2, 4, 5])
def test_the_exit_code_of_a_child_is_ours(tmp_path, code):
    """A refused argument stays bad input, a silent broker stays a silent broker."""
    script = f"import sys; print('because', file=sys.stderr); sys.exit({code})"

    with pytest.raises(LakeError, match=r"because(?s:.*)child\.log") as raised:
        run_child(child(tmp_path, script), doing="the child")

    assert raised.value.exit_code == code


def test_what_a_child_prints_is_returned_and_kept(tmp_path):
    """Stdout is the answer; the log holds it too."""
    assert run_child(child(tmp_path, "print('42')"), doing="the child") == "42\n"
    assert (tmp_path / "child.log").read_text() == "42\n"
