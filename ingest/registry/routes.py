"""The addresses of Confluent's registry that read; those that write name the command that does."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingest.registry.catalogue import Catalogue, Entry, Subjects
from lake.contracts.derive.registered import SchemaType
from lake.errors import LakeError

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
LEVEL = "BACKWARD"
_LARGEST_BODY = 1024 * 1024
_LAST_VERSION = 2**31 - 1


class RegistryError(Exception):
    """An answer of the registry: an HTTP status and a code whose first three digits are one."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def response(self) -> Response:
        status = self.code // 100 if self.code > 999 else self.code
        document = {"error_code": self.code, "message": self.message}
        return JSONResponse(document, status, media_type=MEDIA_TYPE)


Answer = Callable[[Subjects, Request], Any]


class Registry:
    """Answers from a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def routes(self) -> list[Route]:
        """Return what an application mounts at its root."""
        reads: dict[str, Answer] = {
            "/schemas/types": lambda _subjects, _request: [kind.value for kind in SchemaType],
            "/schemas/ids/{id}": _schema_by_id,
            "/schemas/ids/{id}/schema": _text_by_id,
            "/schemas/ids/{id}/versions": _versions_by_id,
            "/schemas/ids/{id}/subjects": _subjects_by_id,
            "/subjects": _subjects,
            "/subjects/{subject}/versions": _versions,
            "/subjects/{subject}/versions/{version}": _version,
            "/subjects/{subject}/versions/{version}/schema": _version_text,
            "/subjects/{subject}/versions/{version}/referencedby": lambda s, r: _entry(s, r) and [],
            "/config": lambda _subjects, _request: {"compatibilityLevel": LEVEL},
            "/config/{subject}": _config,
            "/mode": lambda _subjects, _request: {"mode": "READONLY"},
            "/mode/{subject}": lambda s, r: _of(s, r) and {"mode": "READONLY"},
        }
        return [
            Route("/subjects/{subject}", self._guarded(self._look_up), methods=["POST"]),
            Route("/subjects/{subject}/versions", self._guarded(self._register), methods=["POST"]),
            *(
                Route(path, self._guarded(self._reading(answer)), methods=["GET"])
                for path, answer in reads.items()
            ),
            Route("/subjects/{rest:path}", _refuse, methods=["DELETE"]),
            Route("/config", _refuse, methods=["PUT", "DELETE"]),
            Route("/config/{rest:path}", _refuse, methods=["PUT", "DELETE"]),
            Route("/mode", _refuse, methods=["PUT", "DELETE"]),
            Route("/mode/{rest:path}", _refuse, methods=["PUT", "DELETE"]),
            Route("/associations/{rest:path}", _nothing, methods=["GET"]),
        ]

    def _reading(self, answer: Answer) -> Callable[[Request], Awaitable[Any]]:
        async def read(request: Request) -> Any:
            return answer(await run_in_threadpool(self._catalogue.subjects), request)

        return read

    async def _look_up(self, request: Request) -> Any:
        """Return the version of a subject that has the schema in the body."""
        entry = await self._entry_of_body(request)
        if entry is None:
            raise RegistryError(40403, "Schema not found")
        return _described(request.path_params["subject"], entry, request)

    async def _register(self, request: Request) -> Any:
        """Return the id of a schema that is there; a new one comes by a contract."""
        entry = await self._entry_of_body(request)
        if entry is None:
            raise _read_only()
        return {"id": entry.schema.id}

    async def _entry_of_body(self, request: Request) -> Entry | None:
        subjects = await run_in_threadpool(self._catalogue.subjects)
        entries = _of(subjects, request)
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _LARGEST_BODY:
                raise RegistryError(42201, "Schema too large")
        try:
            text = json.loads(body)["schema"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise RegistryError(42201, "Invalid schema: send an object with the member schema") from None
        return next((e for e in reversed(entries) if isinstance(text, str) and e.is_same(text)), None)

    def _guarded(
        self, handler: Callable[[Request], Awaitable[Any]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                found = await handler(request)
            except RegistryError as error:
                return error.response()
            except LakeError as error:
                return RegistryError(50001, error.message).response()
            if isinstance(found, str):
                return Response(found, media_type=MEDIA_TYPE)
            return JSONResponse(found, media_type=MEDIA_TYPE)

        return answer


def _read_only() -> RegistryError:
    return RegistryError(
        42205, "Schemas come from the contracts: change ingest/contracts, then lake contract deploy"
    )


async def _refuse(_request: Request) -> Response:
    return _read_only().response()


async def _nothing(_request: Request) -> Response:
    return RegistryError(404, "Nothing is associated here").response()


def _of(subjects: Subjects, request: Request) -> tuple[Entry, ...]:
    subject = request.path_params["subject"]
    if subject not in subjects:
        raise RegistryError(40401, f"Subject '{subject[:200]}' not found.")
    return subjects[subject]


def _entry(subjects: Subjects, request: Request) -> Entry:
    entries, text = _of(subjects, request), request.path_params["version"]
    if text in {"latest", "-1"}:
        return entries[-1]
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:11]) <= _LAST_VERSION:
        raise RegistryError(
            42202, f"The specified version '{text[:40]}' is not a valid version id: 1 to 2^31-1, or latest"
        )
    found = next((entry for entry in entries if entry.version == int(text)), None)
    if found is None:
        raise RegistryError(40402, f"Version {text} not found.")
    return found


def _with_id(subjects: Subjects, request: Request) -> Iterator[tuple[str, Entry]]:
    text = request.path_params["id"]
    found = [
        (subject, entry)
        for subject, entries in subjects.items()
        for entry in entries
        if str(entry.schema.id) == text
    ]
    if not found:
        raise RegistryError(40403, f"Schema {text[:40]} not found")
    return iter(found)


def _typed(entry: Entry) -> dict[str, str]:
    """Avro is what a schema without a type is."""
    return {} if entry.schema.type is SchemaType.AVRO else {"schemaType": entry.schema.type.value}


def _described(subject: str, entry: Entry, request: Request) -> dict[str, Any]:
    return {
        "subject": subject,
        "version": entry.version,
        "id": entry.schema.id,
        **_typed(entry),
        "schema": entry.text(request.query_params.get("format", "")),
    }


def _schema_by_id(subjects: Subjects, request: Request) -> Any:
    _, entry = next(_with_id(subjects, request))
    return {"schema": entry.text(request.query_params.get("format", "")), **_typed(entry)}


def _text_by_id(subjects: Subjects, request: Request) -> Any:
    return next(_with_id(subjects, request))[1].text(request.query_params.get("format", ""))


def _versions_by_id(subjects: Subjects, request: Request) -> Any:
    return [{"subject": s, "version": entry.version} for s, entry in _with_id(subjects, request)]


def _subjects_by_id(subjects: Subjects, request: Request) -> Any:
    return [subject for subject, _ in _with_id(subjects, request)]


def _subjects(subjects: Subjects, request: Request) -> Any:
    prefix = request.query_params.get("subjectPrefix", ":*:")
    return [subject for subject in subjects if prefix == ":*:" or subject.startswith(prefix)]


def _versions(subjects: Subjects, request: Request) -> Any:
    return [entry.version for entry in _of(subjects, request)]


def _version(subjects: Subjects, request: Request) -> Any:
    return _described(request.path_params["subject"], _entry(subjects, request), request)


def _version_text(subjects: Subjects, request: Request) -> Any:
    return _entry(subjects, request).text(request.query_params.get("format", ""))


def _config(subjects: Subjects, request: Request) -> Any:
    return {"compatibilityLevel": _of(subjects, request)[-1].compatibility}
