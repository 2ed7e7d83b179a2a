"""Schemathesis holds the gateway to its own OpenAPI document: hostile and well-formed requests alike."""

from __future__ import annotations

import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode

from lake.contracts import parse_contract
from tests.fakes.gateway_world import running_gateway
from tests.fakes.topic_world import transactions

pytestmark = pytest.mark.stack

SEED = 20_261_125
EXAMPLES = 10

# Few enough rules that what fits the schema is taken: basket lines hardly ever are.
CLICKS = """
apiVersion: v3.2.0
kind: DataContract
id: clicks
version: 1.0.0
status: active
team: {name: web}
schema:
  - name: clicks
    logicalType: object
    physicalType: topic
    customProperties: [{property: eventTime, value: at}, {property: key, value: page}]
    properties:
      - {name: page, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: at, logicalType: timestamp, logicalTypeOptions: {timezone: true}}
      - {name: links, logicalType: array, items: {logicalType: string}}
      - {name: seen, logicalType: boolean}
"""


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_one_that_the_document_promises(lake_settings, mode):
    """Status, content type, headers and shape; no 500, no way round the key, wrong methods are 405.

    A record that fits its schema may still break the contract (digits of a decimal, days of a month), so
    being refused is no fault of well-formed data; and `on_invalid=quarantine` takes what breaks its schema.
    """
    print("seed", SEED)  # noqa: T201
    with running_gateway(lake_settings, contracts=[transactions(), parse_contract(CLICKS)]) as gateway:
        schema = schemathesis.openapi.from_asgi("/openapi.json", gateway.client.app)
        schema.config.checks.positive_data_acceptance.enabled = False
        schema.config.checks.negative_data_rejection.enabled = False
        authorization = {"Authorization": gateway.client.headers["authorization"]}
        answered: set[tuple[str, int]] = set()
        operations = [found.ok() for found in schema.get_all_operations()]
        assert len(operations) >= 5

        for operation in operations:
            if mode is GenerationMode.NEGATIVE and operation.method == "get":
                continue  # they take nothing that could be wrong

            @hypothesis.seed(SEED)
            @hypothesis.settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                suppress_health_check=list(hypothesis.HealthCheck),
                phases=[hypothesis.Phase.generate],
            )
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def hold(case):
                response = case.call_and_validate(headers=authorization)
                answered.add((case.operation.path, response.status_code))

            hold()

    if mode is GenerationMode.POSITIVE:
        assert ("/v1/streams/clicks", 202) in answered
    assert {status for _, status in answered} & {400, 422}
