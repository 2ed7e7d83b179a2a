"""Components of Redpanda Connect that need an enterprise licence: they stop at run time without one.

By the support column of Redpanda Connect 4.106's own list of plugins.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ENTERPRISE = frozenset(
    {
        "a2a_message",
        "aws_dynamodb_cdc",
        "gateway",
        "gcp_spanner_cdc",
        "google_drive_download",
        "google_drive_list_labels",
        "google_drive_search",
        "iceberg",
        "microsoft_sql_server_cdc",
        "mongodb_cdc",
        "mysql_cdc",
        "oracledb_cdc",
        "otlp_grpc",
        "otlp_http",
        "pg_stream",
        "postgres_cdc",
        "redpanda_common",
        "slack",
        "slack_post",
        "slack_reaction",
        "slack_thread",
        "slack_users",
        "snowflake_put",
        "snowflake_streaming",
        "splunk",
        "splunk_hec",
    }
)


def enterprise_components(config: Any) -> tuple[str, ...]:
    """Return the components of a stream that need a licence, sorted.

    A component is a name whose value is its configuration; a header or a field that shares the name holds
    a text.
    """
    return tuple(sorted(set(_find(config))))


def _find(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _find(item)
    elif isinstance(node, dict):
        for name, member in node.items():
            if name in ENTERPRISE and (member is None or isinstance(member, dict | list)):
                yield str(name)
            yield from _find(member)
