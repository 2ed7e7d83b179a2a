"""What a source file says about folders of files."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ingest.extract.definition import ResourceHead, Section, SourceHead, refuse_twins

Format = Literal["csv", "json", "parquet"]


class CsvOptions(Section):
    """How a CSV file is written."""

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)
    columns: tuple[str, ...] = Field(default=(), description="names when the file has no header")
    null_values: tuple[str, ...] = ("",)


class FilesResource(ResourceHead):
    """Files of one kind: by a pattern, or by a manifest that lists them.

    A file is known by `path` (with its size and time) or by its `content`, wherever it lies.
    """

    path: str = Field(default="", description="pattern: data/*.csv, s3://bucket/sales/**/*.parquet")
    manifest: str = Field(default="", description="a file with a path a line, or JSON with files[].path")
    format: Format | None = Field(default=None, description="by the ending when it is not given")
    csv: CsvOptions = CsvOptions()
    zone: str = Field(default="", description="of times that have none")
    identity: Literal["path", "content"] = "path"

    @model_validator(mode="after")
    def _one_way_to_find_files(self) -> Self:
        if bool(self.path) == bool(self.manifest):
            raise ValueError("needs either path or manifest")
        return self


class FilesSource(SourceHead):
    """Folders; `s3://` is the lake's own object storage, other paths begin at the project."""

    type: Literal["files"]
    commit_rows: int = Field(default=1_000_000, gt=0)
    resources: tuple[FilesResource, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_twins(self) -> Self:
        refuse_twins(self.resources)
        return self
