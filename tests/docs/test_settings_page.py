"""The settings page names every setting with its true default, and none that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, SecretStr

from lake.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(LAKE_[A-Z0-9_]+)` \| (?:`(.*?)`)? *\|", re.MULTILINE)


def real_settings() -> dict[str, str]:
    """Return variable → default as the page writes it."""
    found = {}
    for name, field in Settings.model_fields.items():
        if name in {"project_root", "variables"}:
            continue
        if isinstance(field.default, BaseModel):
            section = field.default
            for leaf in type(section).model_fields:
                found[f"LAKE_{name}__{leaf}".upper()] = written(getattr(section, leaf))
        else:
            found[f"LAKE_{name}".upper()] = written(field.default)
    return found


def written(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def test_the_page_is_complete_and_true():
    """Variables and defaults agree in both directions."""
    assert dict(ROW.findall(PAGE)) == real_settings()
