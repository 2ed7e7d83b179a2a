"""Which models the rules speak about."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from sqlmesh.core.model import Model


def is_ours(model: Model) -> bool:
    """Tell models of this project from external tables, which contracts describe."""
    return not model.kind.is_external
