"""What is fetched from where: the declarative files of `ingest/sources/`, a kind of source each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from ingest.extract.api.definition import ApiResource, ApiSource
from ingest.extract.database.definition import PostgresResource, PostgresSource
from ingest.extract.files.definition import FilesResource, FilesSource
from ingest.extract.generator.definition import DltResource, DltSource
from lake.errors import ConfigurationError

_HINT = "mend the file, then lake extract status"

Source = ApiSource | FilesSource | PostgresSource | DltSource
Resource = ApiResource | FilesResource | PostgresResource | DltResource
_ADAPTER: TypeAdapter[Source] = TypeAdapter(Annotated[Source, Field(discriminator="type")])


def load_sources(folder: Path) -> tuple[Source, ...]:
    """Return all sources of `folder`, by name; raises ConfigurationError naming file and key."""
    sources: dict[str, Source] = {}
    for path in sorted(folder.glob("*.yaml")):
        source = load_source(path)
        if source.source in sources:
            raise ConfigurationError(f"{path}: source {source.source} stands in another file too", hint=_HINT)
        sources[source.source] = source
    return tuple(sources[name] for name in sorted(sources))


def load_source(path: Path) -> Source:
    """Read one file; a source without `type` is an API."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}", hint=_HINT) from error
    try:
        return _ADAPTER.validate_python(_with_type(document))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        kind = document.get("type", "api") if isinstance(document, dict) else None
        place = ".".join(str(part) for part in first["loc"] if part != kind) or "document"
        raise ConfigurationError(f"{path}: {place}: {first['msg']}", hint=_HINT) from error


def _with_type(document: Any) -> Any:
    return {"type": "api", **document} if isinstance(document, dict) else document
