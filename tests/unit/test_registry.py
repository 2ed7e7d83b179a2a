"""The registry's read side over a real socket, held to what Confluent's own client makes of it."""

from __future__ import annotations

import socket
import threading
import time

import httpx
import pytest
import uvicorn
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from starlette.applications import Starlette

from ingest.gateway.stream import open_streams
from ingest.registry.catalogue import Catalogue, catalogue
from ingest.registry.routes import MEDIA_TYPE, Registry
from lake.clock import SystemClock
from lake.contracts import parse_contract
from lake.contracts.derive import protobuf_descriptor, registered_schema
from lake.errors import UnavailableError

CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: {stream}
version: {version}
status: active
team: {{name: sales}}
schema:
  - name: {stream}
    logicalType: object
    physicalType: topic
    customProperties:
      - {{property: eventTime, value: at}}
      - {{property: format, value: {format}}}
      - {{property: framing, value: registry}}
    properties:
      - name: id
        logicalType: integer
        logicalTypeOptions: {{format: i64}}
        required: true
        primaryKey: true
        primaryKeyPosition: 1
      - {{name: note, logicalType: string}}
      - {{name: at, logicalType: timestamp, logicalTypeOptions: {{timezone: true}}}}
{more}
"""
MORE = "      - {name: tags, logicalType: array, items: {logicalType: string}}"


def contract(form, *, version="1.0.0", more=""):
    stream = f"{form}_orders"
    return parse_contract(CONTRACT.format(stream=stream, version=version, format=form, more=more))


FORMS = ("avro", "json", "protobuf")
NEWER = contract("avro", version="1.1.0", more=MORE)


@pytest.fixture(scope="module")
def url():
    """Serve the three contracts; the Avro one has been deployed in two versions."""
    files = [contract("json"), contract("protobuf"), NEWER]
    deployed = {"avro_orders": (contract("avro"), NEWER)}
    registry = Registry(Catalogue(lambda: catalogue(files, deployed), SystemClock()))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(
            uvicorn.Config(Starlette(routes=registry.routes()), log_level="warning", lifespan="off")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def client(url):
    return SchemaRegistryClient({"url": url})


def value_of(form):
    return SerializationContext(f"{form}_orders", MessageField.VALUE)


CONFIGURATION = {"auto.register.schemas": False, "use.latest.version": True}


def test_confluents_avro_deserialiser_works_unchanged(client):
    """What its serialiser wrote with the newest version is read back with the schema of its id."""
    write = AvroSerializer(client, conf=CONFIGURATION)
    read = AvroDeserializer(client)
    record = {"id": 7, "note": "x", "at": None, "tags": ["a"]}

    framed = write(record, value_of("avro"))

    assert int.from_bytes(framed[1:5], "big") == registered_schema(NEWER).id
    assert read(framed, value_of("avro")) == record


def test_a_record_of_an_older_version_is_read_by_its_own_schema(client):
    """The schema of a version that was deployed before is served by its id."""
    old = registered_schema(contract("avro"))
    write = AvroSerializer(client, old.text, conf={"auto.register.schemas": False})

    framed = write({"id": 7, "note": None, "at": None}, value_of("avro"))

    assert int.from_bytes(framed[1:5], "big") == old.id
    assert AvroDeserializer(client)(framed, value_of("avro")) == {"id": 7, "note": None, "at": None}


def test_confluents_json_deserialiser_works_unchanged(client):
    """Also for a value as the gateway frames it."""
    write = JSONSerializer(None, client, conf=CONFIGURATION)
    read = JSONDeserializer(None, schema_registry_client=client)
    record = {"id": 7, "note": "x", "at": "2026-01-31T12:00:00Z"}
    frame = open_streams([contract("json")])["json_orders"].frame

    assert read(write(record, value_of("json")), value_of("json")) == record
    assert read(frame + b'{"id":8}', value_of("json")) == {"id": 8}


def test_framed_streams_are_left_out_where_another_registry_gives_the_ids():
    """A frame with our id would name another schema there."""
    assert list(open_streams([contract("json")])) == ["json_orders"]
    assert list(open_streams([contract("json")], own_ids=False)) == []


def test_confluents_protobuf_deserialiser_works_unchanged(client):
    """The compiled schema is served to the client that asks for it."""
    file = protobuf_descriptor(contract("protobuf"))
    pool = DescriptorPool()
    for needed in file.dependency:
        module = __import__(needed.removesuffix(".proto").replace("/", ".") + "_pb2", fromlist=["DESCRIPTOR"])
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    name = f"{file.package}.{file.message_type[0].name}" if file.package else file.message_type[0].name
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
    record = kind(id=7, note="x")

    write = ProtobufSerializer(kind, client, {**CONFIGURATION, "use.deprecated.format": False})
    framed = write(record, value_of("protobuf"))

    read = ProtobufDeserializer(kind, {"use.deprecated.format": False}, client)
    assert read(framed, value_of("protobuf")) == record


def test_subjects_versions_and_ids_agree(client):
    """Every way to a schema leads to the same one."""
    assert sorted(client.get_subjects()) == [f"{form}_orders-value" for form in FORMS]
    assert client.get_versions("avro_orders-value") == [1, 2]
    latest = client.get_latest_version("avro_orders-value")
    assert (latest.version, latest.schema_id) == (2, registered_schema(NEWER).id)
    assert client.get_version("avro_orders-value", 1).schema_id == registered_schema(contract("avro")).id
    assert client.get_schema(latest.schema_id).schema_str == latest.schema.schema_str
    assert client.get_subjects_by_schema_id(latest.schema_id) == ["avro_orders-value"]
    assert [v.version for v in client.get_schema_versions(latest.schema_id)] == [2]
    assert client.get_compatibility("avro_orders-value") == "BACKWARD"
    assert client.get_schema_types() == ["AVRO", "JSON", "PROTOBUF"]


def test_a_schema_is_found_by_what_it_says(client):
    """White space and order of members don't matter; another schema is not found."""
    spaced = registered_schema(NEWER).text.replace(",", ", ")
    found = client.lookup_schema("avro_orders-value", Schema(spaced, "AVRO"))

    assert found.version == 2
    with pytest.raises(SchemaRegistryError) as other:
        client.lookup_schema("avro_orders-value", Schema('{"type":"string"}', "AVRO"))
    assert other.value.error_code == 40403


def test_registering_what_is_there_gives_its_id_and_anything_else_names_the_command(client):
    """So a producer that registers by habit works, and one that brings a new schema is told where it goes."""
    known = Schema(registered_schema(NEWER).text, "AVRO")

    assert client.register_schema("avro_orders-value", known) == registered_schema(NEWER).id
    for refused in (
        lambda: client.register_schema("avro_orders-value", Schema('{"type":"string"}', "AVRO")),
        lambda: client.delete_subject("avro_orders-value"),
        lambda: client.set_compatibility("avro_orders-value", "NONE"),
    ):
        with pytest.raises(SchemaRegistryError) as error:
            refused()
        assert error.value.error_code == 42205
        assert "lake contract deploy" in error.value.error_message


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/schemas/ids/1", 404, 40403),
        ("/schemas/ids/x", 404, 40403),
        ("/subjects/none/versions", 404, 40401),
        ("/subjects/none/versions/1", 404, 40401),
        ("/subjects/avro_orders-value/versions/9", 404, 40402),
        ("/subjects/avro_orders-value/versions/0", 422, 42202),
        ("/subjects/avro_orders-value/versions/first", 422, 42202),
        ("/config/none", 404, 40401),
    ],
)
def test_errors_have_the_registrys_codes(url, path, status, code):
    """Clients look at the code, not at the words."""
    answer = httpx.get(url + path)

    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert answer.headers["content-type"] == MEDIA_TYPE


def test_small_answers(url):
    """Mode, global level, prefixes, the bare schema, and a body that is none."""
    assert httpx.get(url + "/mode").json() == {"mode": "READONLY"}
    assert httpx.get(url + "/config").json() == {"compatibilityLevel": "BACKWARD"}
    assert httpx.get(url + "/subjects?subjectPrefix=json").json() == ["json_orders-value"]
    assert httpx.get(url + "/subjects/avro_orders-value/versions/latest/schema").json()["type"] == "record"
    assert httpx.get(url + "/subjects/avro_orders-value/versions/1/referencedby").json() == []
    assert httpx.post(url + "/subjects/avro_orders-value", content=b"[").json()["error_code"] == 42201


def test_a_source_that_is_down_leaves_what_is_known(monkeypatch):
    """Schemas never change, so old knowledge is true; without any the answer says so."""

    class Ticking(SystemClock):
        now = 0.0

        def monotonic(self):
            self.now += 60
            return self.now

    answers = [catalogue([NEWER], {})]

    def load():
        if not answers:
            raise UnavailableError("postgres", "down")
        return answers.pop()

    known = Catalogue(load, Ticking())
    assert list(known.subjects()) == list(known.subjects()) == ["avro_orders-value"]
    with pytest.raises(UnavailableError):
        Catalogue(load, Ticking()).subjects()
