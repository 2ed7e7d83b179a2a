"""Somebody's PostgreSQL database with a table of orders, and a project that extracts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from lake.catalog import load_table, open_catalog
from lake.catalog.scan import read_rows
from lake.postgres import connect
from lake.settings import PostgresSettings, Settings
from lake.types import TableName
from tests.fakes.project_files import lay_out

CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: orders
version: 1.0.0
description: {purpose: Orders for tests.}
team: {name: testers}
schema:
  - name: orders
    physicalType: extract
    customProperties:
      - {property: source, value: erp}
      - {property: resource, value: orders}
      - {property: mode, value: MODE}
    properties:
      - {name: id, logicalType: integer, logicalTypeOptions: {format: i64}, required: true, primaryKey: true}
      - {name: name, logicalType: string}
      - {name: price, logicalType: number, physicalType: 'decimal(12,2)', logicalTypeOptions: {minimum: 0}}
      - {name: paid, logicalType: boolean}
      - {name: day, logicalType: date}
      - {name: token, logicalType: string}
      - {name: at, logicalType: timestamp, required: true}
"""
SOURCE = """\
source: erp
type: postgres
owner: testers
host: ${erp_host}
port: ${erp_port}
database: ${erp_database}
user: ${erp_user}
password: ${erp_password}
statement_timeout_seconds: 30
commit_rows: 3
resources:
  - {name: orders, stream: orders, table: sales.orders, HOW}
"""
TABLE = """
CREATE SCHEMA sales;
CREATE TABLE sales.orders (
    id int PRIMARY KEY, name varchar, price numeric, paid boolean, day date, token uuid,
    at timestamptz NOT NULL
);
INSERT INTO sales.orders
SELECT n, 'order ' || n, n + 0.25, n % 2 = 0, date '2026-01-01' + n,
       '00000000-0000-0000-0000-000000000001',
       timestamptz '2026-01-01 00:00:00.123456+01' + (n / 2) * interval '1 hour'
FROM generate_series(1, 20) AS n;
"""
INCREMENTAL = "incremental: {cursor: at, lookback: 60}"


@contextmanager
def orders_database(postgres: PostgresSettings) -> Iterator[PostgresSettings]:
    """Make a database with 20 orders on a server, for as long as the block runs."""
    own = f"erp{uuid4().hex[:10]}"
    with connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {own}".encode())
    database = postgres.model_copy(update={"database": own})
    with connect(database) as connection:
        connection.execute(TABLE.encode())
    yield database
    with connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {own} WITH (FORCE)".encode())


def orders_project(
    settings: Settings, root: Path, erp: PostgresSettings, how: str = INCREMENTAL, mode: str = "append"
) -> Settings:
    """Lay out a project that extracts the orders: `how` is of the resource, `mode` of the contract."""
    contract, source = CONTRACT.replace("MODE", mode), SOURCE.replace("HOW", how)
    lay_out(root, {"ingest/contracts/orders.yaml": contract, "ingest/sources/erp.yaml": source})
    variables = {
        "erp_host": SecretStr(erp.host),
        "erp_port": SecretStr(str(erp.port)),
        "erp_database": SecretStr(erp.database),
        "erp_user": SecretStr(erp.user),
        "erp_password": erp.password,
    }
    return settings.model_copy(update={"project_root": root, "variables": variables})


def landed_orders(settings: Settings) -> list[dict[str, Any]]:
    name = TableName(schema=settings.landing.raw_schema, name="orders")
    state = load_table(open_catalog(settings), name)
    columns = ("id", "name", "price", "paid", "day", "token", "at", "meta")
    return (
        sorted(read_rows(state, columns=columns).to_pylist(), key=lambda r: r["meta"]["offset"])
        if state
        else []
    )
