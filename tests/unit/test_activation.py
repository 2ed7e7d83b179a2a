"""Activation's decisions that need no service: sync files, guards, answers of an API."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from lake.activation import diff, find_sync, read_syncs
from lake.activation.answers import Again, check_status, read_results
from lake.activation.definition import Guards
from lake.activation.guards import tripped
from lake.activation.identity import idempotency_key
from lake.activation.rows import to_records, to_value
from lake.activation.sync_file import resolve
from lake.control.activation_values import Change, Delivery, LedgerEntry, Operation, count_changes
from lake.errors import BadInputError, ConfigurationError, OutcomeUnknownError
from lake.settings import Project, Settings
from tests.fakes.activation import SYNC

ROOT = Path(__file__).parents[2]
FILE = ROOT / "models" / "activation" / "household_value_tiers.sync.yaml"


def project_with(tmp_path, text, name="household_value_tiers"):
    folder = tmp_path / "models" / "activation"
    folder.mkdir(parents=True)
    (folder / f"{name}.sync.yaml").write_text(text, encoding="utf-8")
    return Project(root=tmp_path)


def changes(creates=0, updates=0, deletes=0):
    kinds = [Operation.CREATE] * creates + [Operation.UPDATE] * updates + [Operation.DELETE] * deletes
    return [
        Change(key=f"k{n}", operation=kind, revision=1, before=None, after=None)
        for n, kind in enumerate(kinds)
    ]


def delivery(key):
    return Delivery(
        key=key,
        operation=Operation.CREATE,
        revision=0,
        idempotency_key=idempotency_key("s", Operation.CREATE, key, 0),
        payload={},
    )


def test_the_demos_sync_maps_columns_that_its_model_has():
    """Every column named in the sync file is in the last SELECT of the model beside it."""
    (sync,) = read_syncs(Project(root=ROOT))
    model = FILE.with_name("household_value_tiers.sql").read_text(encoding="utf-8")
    for column in sync.columns:
        assert f"AS {column}" in model


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("key: external_id", "keys: external_id", "keys"),
        ("batch_size: 200", "batch_size: 0", "destination.batch_size"),
        ("model: lake.", "model: ", "model"),
        ("type: http_batch", "type: carrier_pigeon", "destination.type"),
        ("max_delete_share: 0.01", "max_delete_share: 2", "guards.max_delete_share"),
        ("sync: household_value_tiers", "sync: another", "share a name"),
        ("fields:", "fields: [", "YAML"),
    ],
)
def test_a_wrong_sync_file_is_named_with_its_key(tmp_path, old, new, named):
    """The message says which file and which key; nothing is guessed."""
    project = project_with(tmp_path, FILE.read_text(encoding="utf-8").replace(old, new, 1))
    with pytest.raises(ConfigurationError, match=r"household_value_tiers\.sync\.yaml") as caught:
        read_syncs(project)
    assert named in str(caught.value)


def test_an_unknown_sync_is_refused_with_the_known_names(tmp_path):
    """A typo leads to the list of names."""
    project = project_with(tmp_path, FILE.read_text(encoding="utf-8"))
    assert find_sync(project, None).name == "household_value_tiers"
    with pytest.raises(BadInputError, match="known: household_value_tiers"):
        find_sync(project, "tires")


def test_a_variable_is_resolved_late_and_a_missing_one_is_named():
    """`${crm_url}` comes from the settings; without it the hint says how to set it."""
    settings = Settings(project_root=ROOT, variables={"crm_url": SecretStr("http://crm")})
    assert resolve("${crm_url}/v1", settings) == "http://crm/v1"
    with pytest.raises(ConfigurationError, match="LAKE_VARIABLES__CRM_TOKEN"):
        resolve("${crm_token}", settings)


def test_the_mapping_fingerprint_follows_content_not_limits():
    """Another field is another mapping; a smaller batch is not."""
    slower = replace(SYNC, destination=replace(SYNC.destination, batch_size=1))
    assert slower.mapping == SYNC.mapping
    assert replace(SYNC, fields=SYNC.fields[:1]).mapping != SYNC.mapping


def test_a_key_that_is_null_or_comes_twice_is_refused():
    """The destination could not tell whose values win."""
    row = {"external_id": "h1", "tier": "gold", "monetary_value": 1}
    with pytest.raises(BadInputError, match="more than once"):
        to_records(SYNC, [row, row])
    with pytest.raises(BadInputError, match="without external_id"):
        to_records(SYNC, [row | {"external_id": None}])


def test_a_null_is_a_property_that_is_not_there():
    """A value that became NULL is a change of its field."""
    mart = to_records(SYNC, [{"external_id": "h1", "tier": None, "monetary_value": 1}])
    assert mart == {"h1": {"monetary_value": 1}}
    entry = LedgerEntry(key="h1", payload={"monetary_value": 1, "tier": "gold"}, revision=1)
    (change,) = diff(mart, {"h1": entry})
    assert change.fields == ("tier",)
    assert count_changes((change,)).updates_by_field == {"tier": 1}


def test_a_value_that_json_can_not_carry_is_refused():
    """Bytes and texts with NUL are errors at planning, not at the destination."""
    for value in (b"x", "a\x00b", object()):
        with pytest.raises(BadInputError):
            to_value(value)


GUARDS = Guards(max_create_share=0.5, max_update_share=0.5, max_delete_share=0.1, always_allow=5)


@pytest.mark.parametrize(
    ("made", "mart_rows", "ledger_rows", "trips"),
    [
        (changes(creates=1000), 1000, 0, ()),  # the first sync has nothing to compare with
        (changes(deletes=10), 90, 100, ()),
        (changes(deletes=11), 89, 100, ("delete",)),
        (changes(updates=51), 100, 100, ("update",)),
        (changes(creates=51), 151, 100, ("create",)),
        (changes(deletes=5), 1, 6, ()),  # few records never trip
        (changes(deletes=3), 0, 3, ("empty",)),  # but an empty mart always does
    ],
)
def test_a_guard_trips_exactly_beyond_its_share(made, mart_rows, ledger_rows, trips):
    """Both sides of each limit."""
    found = tripped(GUARDS, made, mart_rows=mart_rows, ledger_rows=ledger_rows, first=False)
    assert len(found) == len(trips)
    assert all(word in sentence for word, sentence in zip(trips, found, strict=True))


def test_an_interrupted_first_sync_is_no_baseline():
    """Most records are still to be created: no share of the few that arrived says anything."""
    made = changes(creates=900)
    assert tripped(GUARDS, made, mart_rows=1000, ledger_rows=100, first=False)
    assert not tripped(GUARDS, made, mart_rows=1000, ledger_rows=100, first=True)
    assert tripped(GUARDS, changes(deletes=100), mart_rows=0, ledger_rows=100, first=True)


def answer(status, *, json=None, headers=None):
    request = httpx.Request("POST", "http://crm/v1/contacts/batch")
    return httpx.Response(status, json=json, headers=headers, request=request)


def test_a_retry_after_beyond_the_limit_is_not_waited_for():
    """The run parks instead of sleeping for an hour."""
    with pytest.raises(Again) as caught:
        check_status(answer(429, headers={"Retry-After": "3600"}), "crm", 60)
    assert caught.value.give_up
    assert not caught.value.in_doubt


@pytest.mark.parametrize(("status", "in_doubt"), [(429, False), (408, False), (500, True), (503, True)])
def test_a_server_error_leaves_the_outcome_in_doubt(status, in_doubt):
    """A 429 was not carried out; behind any 5xx there may be a lost answer."""
    with pytest.raises(Again) as caught:
        check_status(answer(status), "crm", 60)
    assert caught.value.in_doubt is in_doubt


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_token_or_address_is_a_matter_of_configuration(status):
    """Repeating would not help."""
    with pytest.raises(ConfigurationError):
        check_status(answer(status), "crm", 60)


def test_an_answer_that_leaves_a_record_out_is_no_answer():
    """Nothing is taken for accepted that the destination did not name."""
    members = [delivery("a"), delivery("b")]
    partial = answer(200, json={"results": [{"external_id": "a", "status": "created"}]})
    with pytest.raises(OutcomeUnknownError, match="leaves out 1"):
        read_results(partial, members)
    with pytest.raises(OutcomeUnknownError):
        read_results(answer(200, json=["what?"]), members)


def test_outcomes_follow_the_members_not_the_order_of_the_answer():
    """An error of one record is that record's."""
    members = [delivery("a"), delivery("b")]
    results = [
        {"external_id": "b", "status": "created"},
        {"external_id": "a", "status": "error", "error": {"code": "bad", "message": "no"}},
    ]
    first, second = read_results(answer(200, json={"results": results}), members)
    assert (first.delivery.key, first.accepted, first.code) == ("a", False, "bad")
    assert (second.delivery.key, second.accepted) == ("b", True)
