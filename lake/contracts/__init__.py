"""Contracts: the one schema source, read from Open Data Contract Standard files.

Neutral values only: `lake.catalog` turns fields into Iceberg schemas, `ingest` wires the two.
"""

from lake.contracts.contract import (
    Contract,
    Format,
    PartitionBy,
    Rule,
    RuleKind,
    StreamKind,
    Transform,
)
from lake.contracts.files import load_contract, load_contracts
from lake.contracts.landing import META, raw_fields
from lake.contracts.parse import parse_contract

__all__ = [
    "META",
    "Contract",
    "Format",
    "PartitionBy",
    "Rule",
    "RuleKind",
    "StreamKind",
    "Transform",
    "load_contract",
    "load_contracts",
    "parse_contract",
    "raw_fields",
]
