"""Contracts: the one schema source, read from Open Data Contract Standard files.

Neutral values only: `lake.catalog` turns fields into Iceberg schemas, `ingest` wires the two.

Landing a topic that several contracts describe, and landing while a contract changes: `routing` says
whose a record is, `fence` under which contract a table may be written; both docstrings say how to ask.
"""

from lake.contracts.contract import (
    Breaker,
    Compatibility,
    Contract,
    Format,
    Framing,
    Mode,
    PartitionBy,
    Route,
    Rule,
    RuleKind,
    Status,
    StreamKind,
    Transform,
    stream_name,
)
from lake.contracts.fence import (
    ContractMovedError,
    Fence,
    check_fence,
    check_held,
    digest,
    fence_properties,
    table_routing,
)
from lake.contracts.files import load_contract, load_contracts
from lake.contracts.landing import META, change_field, latest_fields, raw_fields
from lake.contracts.parse import parse_contract
from lake.contracts.routing import Label, Owner, Routing, read_label, route_topic

__all__ = [
    "META",
    "Breaker",
    "Compatibility",
    "Contract",
    "ContractMovedError",
    "Fence",
    "Format",
    "Framing",
    "Label",
    "Mode",
    "Owner",
    "PartitionBy",
    "Route",
    "Routing",
    "Rule",
    "RuleKind",
    "Status",
    "StreamKind",
    "Transform",
    "change_field",
    "check_fence",
    "check_held",
    "digest",
    "fence_properties",
    "latest_fields",
    "load_contract",
    "load_contracts",
    "parse_contract",
    "raw_fields",
    "read_label",
    "route_topic",
    "stream_name",
    "table_routing",
]
