"""From one version of a contract to the next: what changes, whether it may, and what the next step is."""

from lake.contracts.evolution.changes import Change, Effect, find_changes
from lake.contracts.evolution.verdict import Problem, Verdict, judge

__all__ = ["Change", "Effect", "Problem", "Verdict", "find_changes", "judge"]
