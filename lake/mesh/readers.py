"""Who reads published columns from outside of the models: syncs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lake.errors import ConfigurationError
from lake.types import CATALOG

_SYNCS = "*.sync.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who reads columns of a model by name; `model` is `schema.name`."""

    name: str
    model: str
    columns: frozenset[str]
    file: str


def read_readers(root: Path) -> tuple[Reader, ...]:
    """Return the readers that a project's files declare, by name.

    Raises ConfigurationError naming a file that can't be read.
    """
    return tuple(sorted(_syncs(root), key=lambda reader: reader.name))


def _syncs(root: Path) -> Iterator[Reader]:
    for path in sorted((root / "models").rglob(_SYNCS)):
        document = _document(path)
        try:
            yield Reader(
                name=f"sync {document['sync']}",
                model=str(document["model"]).removeprefix(f"{CATALOG}."),
                columns=frozenset({document["key"], *document["fields"].values()}),
                file=str(path.relative_to(root)),
            )
        except (KeyError, AttributeError, TypeError) as error:
            raise ConfigurationError(f"{path} does not fit: {error!r}", hint="lake sync plan") from error


def _document(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}", hint=f"edit {path}") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path} is no mapping of keys", hint=f"edit {path}")
    return found
