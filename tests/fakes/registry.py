"""A schema registry of few lines: what it has, what it answers instead, and what it was asked."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lake.settings import RegistrySettings
from tests.fakes.http_server import Handler, serve


@dataclass(slots=True)
class FakeRegistry:
    """`schemas` by id and `subjects` by name, as Confluent's API gives them; `status` answers everything."""

    url: str = ""
    schemas: dict[int, dict[str, Any]] = field(default_factory=dict)
    subjects: dict[str, list[int]] = field(default_factory=dict)
    status: int = 0
    delay_seconds: float = 0.0
    credentials: str = ""
    asked: list[str] = field(default_factory=list)

    def register(self, number: int, text: str, kind: str = "AVRO", *, subject: str = "", **more: Any) -> None:
        self.schemas[number] = {"schema": text, "schemaType": kind, **more}
        if subject:
            self.subjects.setdefault(subject, []).append(number)

    def settings(self, **changes: Any) -> RegistrySettings:
        return RegistrySettings.model_validate({"url": self.url, "wait_seconds": 1.0, **changes})

    def answer(self, path: str, authorization: str) -> tuple[int, Any]:
        self.asked.append(path)
        time.sleep(self.delay_seconds)
        if self.status:
            return self.status, {"error_code": self.status, "message": "so be it"}
        if (
            self.credentials
            and authorization != "Basic " + base64.b64encode(self.credentials.encode()).decode()
        ):
            return 401, {"error_code": 401, "message": "who are you?"}
        match path.strip("/").split("/"):
            case ["schemas", "ids", number, *rest]:
                found = self.schemas.get(int(number))
                if found is None:
                    return 404, {"error_code": 40403, "message": "Schema not found"}
                if rest == ["subjects"]:
                    return 200, [name for name, ids in self.subjects.items() if int(number) in ids]
                return 200, found
            case ["subjects", subject, "versions", version]:
                ids = self.subjects.get(subject)
                if not ids:
                    return 404, {"error_code": 40401, "message": "Subject not found"}
                place = len(ids) if version == "latest" else int(version)
                own = {"subject": subject, "version": place, "id": ids[place - 1]}
                return 200, own | self.schemas[ids[place - 1]]
        return 404, {"error_code": 404, "message": "no such path"}


@contextmanager
def fake_registry() -> Iterator[FakeRegistry]:
    registry = FakeRegistry()

    class RegistryHandler(Handler):
        def handle_any(self) -> None:
            path, authorization = self.path.split("?", maxsplit=1)[0], self.headers.get("Authorization", "")
            status, document = registry.answer(path, authorization)
            self.answer(status, json.dumps(document).encode())

    with serve(RegistryHandler) as registry.url:
        yield registry
