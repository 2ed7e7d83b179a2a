"""One figure of a benchmark: what was measured, against what, on which machine; written and read as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parent / "results"
PACKAGES = ("duckdb", "pyiceberg", "pyarrow", "sqlmesh", "confluent-kafka", "streamlit")


def machine_versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`ratio` is value over what stands in `against`: the goal, a floor or a peer of the same run."""

    metric: str
    value: float
    unit: str
    against: str = ""
    ratio: float | None = None
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    versions: dict[str, str] = field(default_factory=machine_versions)


def against_goal(metric: str, value: float, unit: str, goal: float) -> Figure:
    """Return a figure compared with the most that it may be."""
    return Figure(
        metric=metric,
        value=round(value, 2),
        unit=unit,
        against=f"goal ≤ {goal:g} {unit}",
        ratio=round(value / goal, 2),
    )


def at_least(metric: str, value: float, unit: str, goal: float) -> Figure:
    """Return a figure compared with the least that it should be."""
    return Figure(
        metric=metric,
        value=round(value, 2),
        unit=unit,
        against=f"goal ≥ {goal:g} {unit}".strip(),
        ratio=round(value / goal, 2),
    )


def write(name: str, figures: Sequence[Figure]) -> None:
    """Keep the figures of one benchmark and print them."""
    FOLDER.mkdir(exist_ok=True)
    document = json.dumps([asdict(f) for f in figures], indent=2)
    (FOLDER / f"{name}.json").write_text(document + "\n", encoding="utf-8")
    for figure in figures:
        print(line_of(figure))


def line_of(figure: Figure) -> str:
    ratio = "" if figure.ratio is None else f"  ratio {figure.ratio:.2f} ({figure.against})"
    return f"{figure.metric:<48} {figure.value:>12,.2f} {figure.unit:<8}{ratio}"
