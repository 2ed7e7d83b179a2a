"""SQL lives in files with named sections: `-- name: fetch_job`."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString

_SECTION = re.compile(r"^-- name: (?P<name>\w+)\s*$", re.MULTILINE)


@cache
def read_sections(package: str, file: str) -> dict[str, LiteralString]:
    """Return the statements of `file` in `package` by name.

    The texts are committed files, so they count as literals: values are always bound.
    """
    text = files(package).joinpath(file).read_text(encoding="utf-8")
    marks = list(_SECTION.finditer(text))
    if not marks or len({m["name"] for m in marks}) != len(marks):
        msg = f"{package}/{file}: sections must exist and have names of their own"
        raise ValueError(msg)
    ends = [m.start() for m in marks[1:]] + [len(text)]
    return {m["name"]: text[m.end() : end].strip() for m, end in zip(marks, ends, strict=True)}
