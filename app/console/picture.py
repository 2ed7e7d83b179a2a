"""Lay the lineage out and describe it to ECharts. Pure.

Columns by the longest path from a source; inside a column nodes stand by the mean height of their
neighbours (the barycentre method of Sugiyama, Tagawa and Toda, 1981), which keeps most edges from crossing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.console.look import HEX, TINT
from lake.inspect.lineage import Lineage, LineageNode
from lake.inspect.values import Verdict

_SWEEPS = 8
_ROW = 54
_BOX = (138, 36)
_LETTERS = 24
_INK, _GREY, _ACCENT, _FAINT_LINE = "#1e293b", "#94a3b8", "#0f766e", "#e8edf3"
_CLEAR = "rgba(0,0,0,0)"

# What is the same of every picture.
_GRAPH: dict[str, Any] = {
    "type": "graph",
    "coordinateSystem": "cartesian2d",
    "selectedMode": "single",
    "symbol": "rect",
    "symbolSize": list(_BOX),
    "itemStyle": {"color": _CLEAR},
    "emphasis": {"scale": False, "label": {"borderWidth": 2.5}},
    "select": {"itemStyle": {"color": _CLEAR, "borderWidth": 0}},
    "label": {
        "show": True,
        "opacity": 1,  # a label takes its symbol's opacity otherwise
        "position": "inside",
        "width": _BOX[0] - 12,
        "height": _BOX[1] - 10,
        "lineHeight": 13,
        "rich": {"stage": {"fontSize": 8, "color": _GREY, "lineHeight": 12}},
        "padding": [4, 5],
        "borderRadius": 6,
        "align": "center",
        "verticalAlign": "middle",
        "fontSize": 10,
        "color": _INK,
    },
}


def columns(lineage: Lineage) -> dict[str, int]:
    """Return the column of every node: one right of the farthest thing that flows into it."""
    sources: dict[str, list[str]] = {node.id: [] for node in lineage.nodes}
    for a, b in lineage.edges:
        sources[b].append(a)
    found: dict[str, int] = {}

    def depth(node: str, path: tuple[str, ...]) -> int:
        if node not in found:
            above = [depth(s, (*path, node)) for s in sources[node] if s not in path]
            found[node] = max(above, default=-1) + 1
        return found[node]

    return {node.id: depth(node.id, ()) for node in lineage.nodes}


def positions(lineage: Lineage) -> dict[str, tuple[float, float]]:
    """Return column and height of every node; columns are centred against each other, 0 is the middle."""
    column = columns(lineage)
    layers: list[list[str]] = [[] for _ in range(max(column.values(), default=-1) + 1)]
    for node in lineage.nodes:
        layers[column[node.id]].append(node.id)
    neighbours: dict[str, list[str]] = {node.id: [] for node in lineage.nodes}
    for a, b in lineage.edges:
        neighbours[a].append(b)
        neighbours[b].append(a)
    heights = {n: _spread(layer, i) for layer in layers for i, n in enumerate(layer)}
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            layer.sort(key=lambda n: (_mean([heights[m] for m in neighbours[n]], heights[n]), n))
            heights.update({n: _spread(layer, i) for i, n in enumerate(layer)})
    return {n: (float(column[n]), heights[n]) for layer in layers for n in layer}


def _spread(layer: Sequence[str], index: int) -> float:
    return index - (len(layer) - 1) / 2


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def chart(lineage: Lineage, *, verdicts: Mapping[str, Verdict], selected: str | None) -> dict[str, Any]:
    """Return the ECharts option: colour is the verdict, what has no part in the selection fades.

    The graph stands on hidden axes and each box is a label's background, so that boxes keep their shape
    at any width: a symbol's border is stretched with it. Node i of the series is
    node i of the lineage: clicks come back as indices.
    """
    places = positions(lineage)
    lit = {n.id for n in lineage.nodes}
    if selected is not None:
        lit = {selected} | lineage.upstream(selected) | lineage.downstream(selected)
    widest = max((abs(y) for _, y in places.values()), default=0.0)
    last = max((x for x, _ in places.values()), default=0.0)
    return {
        "animation": False,
        "tooltip": {"formatter": "{b}"},
        "grid": {"left": _BOX[0] // 2 + 4, "right": _BOX[0] // 2 + 4, "top": 22, "bottom": 22},
        "xAxis": {"show": False, "type": "value", "min": 0, "max": max(1.0, last)},
        "yAxis": {"show": False, "type": "value", "inverse": True, "min": -widest, "max": max(0.1, widest)},
        "series": [
            {
                **_GRAPH,
                "data": [
                    _box(
                        n,
                        places[n.id],
                        verdict=verdicts.get(n.id),
                        faded=n.id not in lit,
                        selected=n.id == selected,
                    )
                    for n in lineage.nodes
                ],
                "links": [
                    _edge(a, b, lit=selected is not None and {a, b} <= lit, faded=not {a, b} <= lit)
                    for a, b in lineage.edges
                ],
            }
        ],
    }


def height(lineage: Lineage) -> int:
    """Return the pixels that the fullest column needs."""
    found = list(columns(lineage).values())
    return max(300, max((found.count(c) for c in set(found)), default=0) * _ROW + 40)


def short(node: LineageNode) -> str:
    """Return a label that fits its box; the tooltip has the whole name."""
    name = node.label.split(".")[-1].split("/")[-1]
    name = name.removeprefix("stg_").removeprefix("retail__").removeprefix("int_")
    return name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"


def _box(
    node: LineageNode, place: tuple[float, float], *, verdict: Verdict | None, faded: bool, selected: bool
) -> dict[str, Any]:
    tint = TINT[verdict] if verdict else "#f1f5f9"
    border = _INK if selected else HEX[verdict] if verdict else _GREY
    return {
        "id": node.id,
        "name": node.id,
        "value": list(place),
        "label": {
            "formatter": f"{{stage|{node.stage.value.upper()}}}\n{short(node)}",
            # Opaque also when faded: no edge shows through.
            "backgroundColor": "#fcfcfd" if faded else tint,
            "borderColor": _FAINT_LINE if faded else border,
            "color": "#cbd5e1" if faded else _INK,
            "borderWidth": 2.5 if selected else 1.2,
            "fontWeight": "bold" if selected else "normal",
        },
    }


def _edge(source: str, target: str, *, lit: bool, faded: bool) -> dict[str, Any]:
    return {
        "source": source,
        "target": target,
        "lineStyle": {
            "color": _FAINT_LINE if faded else _ACCENT if lit else _GREY,
            "width": 2 if lit else 1.2,
            "opacity": 1,
        },
    }
