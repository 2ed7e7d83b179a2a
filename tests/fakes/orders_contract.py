"""A small contract of a topic, to be said otherwise by tests."""

from __future__ import annotations

EVENTS = """\
apiVersion: v3.2.0
kind: DataContract
id: orders
version: 1.0.0
status: active
description: {purpose: Orders of the shop.}
team: {name: shop}
schema:
  - name: orders
    physicalType: topic
    physicalName: shop.events
    customProperties:
      - {property: eventTime, value: placed_at}
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true}
      - {name: placed_at, logicalType: timestamp, required: true}
      - {name: total, logicalType: number, physicalType: 'decimal(12,2)', required: true}
      - {name: pieces, logicalType: integer}
"""


def with_custom(*lines: str, text: str = EVENTS) -> str:
    """Return the contract with more custom properties of the schema."""
    first = "      - {property: eventTime, value: placed_at}\n"
    return text.replace(first, first + "".join(f"      - {{{line}}}\n" for line in lines))
