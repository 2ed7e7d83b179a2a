"""Run stock `sqlmesh plan` for an environment and say at its end what it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sqlmesh.cli.main import plan as stock_command
from sqlmesh.core.context import Context
from sqlmesh.core.plan import Plan

from lake.mesh import command_line
from lake.mesh.context import WarmContext
from lake.mesh.describe import describe
from lake.mesh.summary import PlanSummary
from lake.settings import Settings

# Options of the command whose parameter of Context.plan has another name.
_RENAMED = {
    "restate_model": "restate_models",
    "select_model": "select_models",
    "allow_destructive_model": "allow_destructive_models",
    "allow_additive_model": "allow_additive_models",
    "backfill_model": "backfill_models",
}


@dataclass(slots=True, kw_only=True)
class _Watch:
    """What became of a plan: its summary as it stood before it was applied."""

    summarise: Callable[[Plan], PlanSummary]
    summary: PlanSummary | None = None
    builders: list[Any] = field(default_factory=list)


def plan_environment(
    warm: WarmContext,
    settings: Settings,
    arguments: Sequence[str],
    *,
    quiet: bool = False,
) -> PlanSummary:
    """Plan as `sqlmesh plan ARGUMENTS…` does, and apply when that would.

    Quiet, nothing is printed and nothing is asked: the plan is applied with `--auto-apply` only.
    Raises BadInputError for arguments that `sqlmesh plan` doesn't know, RefusedError when an audit,
    a contract or SQLMesh says no; then nothing or whole intervals were published.
    """
    options = _parsed(arguments)
    explained = bool(options.get("explain"))
    if quiet:  # SQLMesh explains on a terminal only; a plan that is not applied tells us the same
        options |= {"no_prompts": True, "explain": None}
        options["auto_apply"] = options.get("auto_apply") and not explained
    with warm.use(quiet=quiet) as context:
        watch = _Watch(summarise=lambda plan: describe(context, settings, plan))
        with _watched(context, watch):
            context.plan(**options)
        if watch.summary is not None:
            return replace(watch.summary, applied=not explained)
        return watch.summarise(watch.builders[-1].build())


def named_environment(arguments: Sequence[str]) -> str:
    """Return the environment that arguments of `sqlmesh plan` name, empty when they name none."""
    return command_line.named_environment(stock_command, arguments)


def _parsed(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of Context.plan that stock command line arguments stand for."""
    found = command_line.parse(stock_command, arguments)
    found.pop("verbose", None)
    return {_RENAMED.get(key, key): value or None for key, value in found.items()}


@contextmanager
def _watched(context: Context, watch: _Watch) -> Iterator[None]:
    """Look on while the console asks: applying a plan uses up what it is missing."""
    console: Any = context.console
    stock = console.plan

    def plan(builder: Any, *args: Any, **kwargs: Any) -> None:
        watch.builders.append(builder)
        apply = builder._apply  # noqa: SLF001  the console calls it through the builder

        def described(final: Plan) -> None:
            watch.summary = watch.summarise(final)
            apply(final)

        builder._apply = described if apply else apply  # noqa: SLF001
        stock(builder, *args, **kwargs)

    console.plan = plan
    try:
        yield
    finally:
        del console.plan
