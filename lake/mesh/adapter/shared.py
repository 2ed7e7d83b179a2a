"""What the adapters of both engines have: the lake that they work on, and names in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlglot import exp
from sqlmesh.core.engine_adapter.base import EngineAdapter

from lake.errors import LakeError
from lake.mesh import iceberg
from lake.mesh.errors import StockError, as_stock
from lake.mesh.resolve import table_name
from lake.mesh.runtime import Runtime
from lake.types import TableName


class SharedAdapter(EngineAdapter):
    """An adapter on the lake's catalog, whatever the engine."""

    @property
    def runtime(self) -> Runtime:
        """What the clones of this adapter that work for one plan or run share."""
        runtime: Runtime = self._extra_config["runtime"]
        return runtime

    def lake_name(self, name: Any) -> TableName:
        """Return the name of a table or view of the lake; refuses what the catalogs can't hold."""
        found = table_name(exp.to_table(name))
        if found is None:
            raise StockError(
                f"{exp.to_table(name).sql(dialect=self.dialect)} is no name of the lake",
                hint="use a-z, 0-9 and _ in names of models, schemas and environments",
            )
        return found

    def landed_up_to(self, schema: str, stream: str) -> tuple[bool, datetime | None]:
        """Tell for signals whether landing says up to when a stream is complete, and what it says."""
        try:
            state = iceberg.load_table(self.runtime.catalog, TableName(schema=schema, name=stream))
            horizons = () if state is None else iceberg.read_stream(state)
        except LakeError as error:
            raise as_stock(error) from error
        return bool(horizons), iceberg.complete_up_to(horizons)

    def share(self, runtime: Runtime) -> None:
        """Work for the same plan or run as another adapter."""
        self._extra_config["runtime"] = runtime
