"""How things look everywhere: colours of verdicts, ages, error cards, the little CSS that pages need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Literal

import streamlit as st

from app.console.parts import Problem
from lake.inspect.ages import describe_span
from lake.inspect.freshness import moment
from lake.inspect.values import Verdict

Colour = Literal["green", "orange", "red", "gray", "blue"]

COLOURS: dict[Verdict, Colour] = {
    Verdict.FRESH: "green",
    Verdict.QUIET: "blue",
    Verdict.LATE: "orange",
    Verdict.FAILED: "red",
    Verdict.MISSING: "gray",
    Verdict.UNKNOWN: "gray",
}
ICONS: dict[Verdict, str] = {
    Verdict.FRESH: ":material/check_circle:",
    Verdict.QUIET: ":material/bedtime:",
    Verdict.LATE: ":material/schedule:",
    Verdict.FAILED: ":material/error:",
    Verdict.MISSING: ":material/radio_button_unchecked:",
    Verdict.UNKNOWN: ":material/help:",
}
# For charts, which take no names: the same hues as Streamlit's badges.
HEX: dict[Verdict, str] = {
    Verdict.FRESH: "#15803d",
    Verdict.QUIET: "#2563eb",
    Verdict.LATE: "#d97706",
    Verdict.FAILED: "#dc2626",
    Verdict.MISSING: "#94a3b8",
    Verdict.UNKNOWN: "#94a3b8",
}

TINT: dict[Verdict, str] = {
    Verdict.FRESH: "#dcfce7",
    Verdict.QUIET: "#dbeafe",
    Verdict.LATE: "#fef3c7",
    Verdict.FAILED: "#fee2e2",
    Verdict.MISSING: "#f1f5f9",
    Verdict.UNKNOWN: "#f1f5f9",
}
LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 150 32" height="32">'
    '<path d="M2 13c4-5 8-5 12 0s8 5 12 0M2 21c4-5 8-5 12 0s8 5 12 0" fill="none" stroke="#0f766e"'
    ' stroke-width="3.2" stroke-linecap="round"/>'
    '<text x="36" y="23" font-family="sans-serif" font-size="20" font-weight="700" fill="#0f172a">'
    "lakemesh</text>"
    "</svg>"
)

# A constant: no data is ever put into it.
_CSS = """
<style>
[data-testid="stMainBlockContainer"] { padding-top: 3.5rem; padding-bottom: 3rem; max-width: 1320px; }
[data-testid="stMetricValue"] { font-variant-numeric: tabular-nums; font-size: 1.65rem; }
.st-key-tiles, .st-key-sync-tiles, .st-key-streams { display: grid !important; gap: 0.75rem !important; }
.st-key-tiles, .st-key-sync-tiles { grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.st-key-streams { grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); }
.st-key-tiles > div, .st-key-sync-tiles > div, .st-key-streams > div { width: auto !important; height: auto; }
h1 { font-size: 1.9rem !important; padding-bottom: 0.1rem !important; }
h3 { font-size: 1.15rem !important; padding-top: 0.6rem !important; }
[class*="st-key-card-"] p { overflow-wrap: anywhere; }
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding-left: 0.9rem; padding-right: 0.9rem; }
  .st-key-lineage-frame { overflow-x: auto; }
  .st-key-lineage-frame > div { min-width: 1080px; }
  [data-testid="stMetricValue"] { font-size: 1.3rem; }
}
</style>
"""


def style() -> None:
    """Put the stylesheet into the page."""
    st.html(_CSS)


def ago(value: datetime | date | None, now: datetime) -> str:
    """Return how long ago, a bare date as itself."""
    if value is None:
        return "never"
    if not isinstance(value, datetime):
        return value.isoformat()
    span = now - moment(value)
    return "just now" if span < timedelta(seconds=2) else f"{describe_span(span)} ago"


def plain(text: str) -> str:
    """Return text so that markdown shows it as it is."""
    special = "\\`*_{}[]()#+-.!|<>~$:"
    return "".join(f"\\{c}" if c in special else c for c in text)


def badge(verdict: Verdict) -> None:
    """Draw a verdict."""
    st.badge(verdict.value, icon=ICONS[verdict], color=COLOURS[verdict])


def badge_column(colours: Mapping[Any, Colour]) -> Any:
    """Return the configuration of a column whose values are drawn as badges."""
    return st.column_config.MultiselectColumn(
        options=[str(value) for value in colours], color=list(colours.values()), width="small"
    )


def error_card(problem: Problem) -> None:
    """Draw what stands in the place of a part: the service, what happened, the command to run."""
    with st.container(border=True):
        st.badge(problem.service or "problem", icon=":material/error:", color="red")
        st.markdown(plain(problem.message))
        if problem.hint:
            st.code(problem.hint, language=None)


def empty_card(title: str, command: str) -> None:
    """Draw a place where nothing is yet, and the command that changes that."""
    with st.container(border=True):
        st.markdown(f":gray[{plain(title)}]")
        st.code(command, language=None)
