"""The adapter's capabilities; what each part does is in its own module."""

from __future__ import annotations

from typing import Any

from sqlmesh.core.engine_adapter.base import EngineAdapter
from sqlmesh.core.engine_adapter.shared import CatalogSupport, CommentCreationTable, CommentCreationView
from sqlmesh.utils import CorrelationId, JobType
from typing_extensions import override

from lake.mesh.adapter.temporary import TemporaryAdapter
from lake.mesh.runtime import Runtime


class LakeEngineAdapter(TemporaryAdapter):
    """DuckDB with the lake attached."""

    # What the engine can and can't do here.
    SUPPORTS_TRANSACTIONS = False  # SQLMesh's own would commit before the audits have run
    SUPPORTS_REPLACE_TABLE = False  # CREATE OR REPLACE is missing, and would show an unaudited table
    SUPPORTS_CREATE_DROP_CATALOG = False  # one catalog for all names
    SUPPORTED_DROP_CASCADE_OBJECT_KINDS: list[str] = []  # noqa: RUF012  the base class declares it so
    SUPPORTS_CLONING = False
    SUPPORTS_MATERIALIZED_VIEWS = False
    SUPPORTS_MANAGED_MODELS = False
    SUPPORTS_GRANTS = False
    SUPPORTS_QUERY_EXECUTION_TRACKING = True  # rows of INSERT
    COMMENT_CREATION_TABLE = CommentCreationTable.COMMENT_COMMAND_ONLY  # through the catalog, in one commit
    COMMENT_CREATION_VIEW = CommentCreationView.UNSUPPORTED  # written with the view instead

    @property
    def catalog_support(self) -> CatalogSupport:
        return CatalogSupport.FULL_SUPPORT

    @override
    def with_settings(self, **kwargs: Any) -> EngineAdapter:
        """Return a clone; that of a plan or a run, which SQLMesh marks, gets ids and publishes of its own."""
        mark = kwargs.get("correlation_id")
        if isinstance(mark, CorrelationId):
            plan_id = mark.job_id if mark.job_type is JobType.PLAN else ""
            kwargs["runtime"] = Runtime(self.runtime.services, plan_id=plan_id)
        return super().with_settings(**kwargs)
