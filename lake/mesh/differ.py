"""Tell which changes of a table's columns Iceberg makes in place, and which would lose values."""

from __future__ import annotations

from sqlglot import exp
from sqlmesh.core.schema_diff import NestedSupport, SchemaDiffer
from typing_extensions import override

_T = exp.DataType.Type
_INTEGERS = (_T.TINYINT, _T.UTINYINT, _T.SMALLINT, _T.USMALLINT, _T.INT, _T.UINT, _T.BIGINT)
_WIDER = {small: set(_INTEGERS[at + 1 :]) for at, small in enumerate(_INTEGERS)} | {_T.FLOAT: {_T.DOUBLE}}
LIST_ELEMENT = "element"  # how Iceberg names what a list holds


class IcebergDiffer(SchemaDiffer):
    """SQLMesh's differ with Iceberg's rules: columns and members are told apart by id, so any may go or come.

    In place: INT to BIGINT, FLOAT to DOUBLE, a decimal with more digits before the point. Everything
    else is a new column in the place of the old one, which SQLMesh calls destructive.
    """

    nested_support: NestedSupport = NestedSupport.ALL
    array_element_selector: str = LIST_ELEMENT

    @override
    def _is_compatible_type(self, current_type: exp.DataType, new_type: exp.DataType) -> bool:
        if current_type.this is _T.DECIMAL and new_type.this is _T.DECIMAL:
            (digits, scale), (wanted, wanted_scale) = map(self.get_type_parameters, (current_type, new_type))
            return scale == wanted_scale and digits <= wanted
        return current_type == new_type or new_type.this in _WIDER.get(current_type.this, ())


def iceberg_differ(stock: SchemaDiffer) -> IcebergDiffer:
    """Return a differ that reads bare types (`DECIMAL`) as an engine's own does."""
    return IcebergDiffer(parameterized_type_defaults=stock.parameterized_type_defaults)
