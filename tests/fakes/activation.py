"""What tests of activation share: the demo's CRM as a child, a mart kept in a file, a sync between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from lake.activation import Destination, Guards, MartState, Sync
from lake.activation.rows import to_records
from lake.settings import Settings

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-this-test"
GENEROUS = Guards(max_create_share=1, max_update_share=1, max_delete_share=1, always_allow=0)

SYNC = Sync(
    name="tiers",
    description="Tiers for the CRM",
    owner="tests",
    model="lake.activation.tiers",
    key="external_id",
    fields=(("monetary_value", "monetary_value"), ("tier", "tier")),
    destination=Destination(
        url="${crm_url}",
        token="${crm_token}",
        upsert="/v1/contacts/batch",
        delete="/v1/contacts/batch-delete",
        read="/v1/contacts/{key}",
        envelope="contacts",
        batch_size=20,
        requests=1000,
        per_seconds=1.0,
        timeout_seconds=5.0,
        attempts=6,
        retry_after_max_seconds=5.0,
        verify_sample=5,
    ),
    guards=GENEROUS,
)


def rows(count: int, **changes: str) -> list[dict[str, Any]]:
    """Return mart rows h000…; `changes` gives single ones another tier: `rows(9, h003="gold")`."""
    return [
        {"external_id": key, "tier": changes.get(key, "bronze"), "monetary_value": 10 + number / 4}
        for number, key in ((n, f"h{n:03d}") for n in range(count))
    ]


@dataclass(slots=True, kw_only=True)
class FileMart:
    """The mart port over a JSON file; its snapshot is a number that `write` raises."""

    path: Path

    def write(self, content: list[dict[str, Any]]) -> None:
        snapshot = self._read()[0] + 1 if self.path.exists() else 1
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps([snapshot, content]), encoding="utf-8")
        temporary.replace(self.path)

    def snapshots(self, sync: Sync) -> dict[str, int]:
        return {sync.model: self._read()[0]}

    def read(self, sync: Sync) -> MartState:
        snapshot, content = self._read()
        return MartState(records=to_records(sync, content), snapshots={sync.model: snapshot})

    def _read(self) -> tuple[int, list[dict[str, Any]]]:
        snapshot, content = json.loads(self.path.read_text(encoding="utf-8"))
        return snapshot, content


@dataclass(frozen=True, slots=True, kw_only=True)
class Crm:
    """A running CRM and what its own books say."""

    url: str

    def _get(self, path: str) -> Any:
        # Its faults hit readers, too; the request after a faulty one never fails.
        for _ in range(20):
            answer = httpx.get(
                self.url + path, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False, timeout=10
            )
            if answer.status_code == 200:
                return answer.json()
            time.sleep(float(answer.headers.get("retry-after", 0)))
        raise AssertionError(f"{path}: {answer.status_code} {answer.text}")

    def stats(self) -> dict[str, int]:
        return self._get("/v1/stats")

    def contacts(self) -> dict[str, dict[str, Any]]:
        return {c["external_id"]: c for c in self._get("/v1/contacts?limit=1000")["data"]}

    def settings(self, settings: Settings) -> Settings:
        """Return settings whose `${crm_url}` is this one."""
        variables = {"crm_url": SecretStr(self.url), "crm_token": SecretStr(TOKEN)}
        return settings.model_copy(update={"variables": variables})


@contextmanager
def crm_process(
    folder: Path, *, fault_rate: float = 0.0, seed: int = 1, latency: float = 0.0, per_second: float = 5000
) -> Iterator[Crm]:
    """Run the demo's CRM over a file in `folder`; the books survive a restart."""
    command = [sys.executable, "-m", "demo", "crm", "--db", str(folder / "crm.sqlite"), "--port", "0"]
    command += ["--fault-rate", str(fault_rate), "--seed", str(seed), "--latency", str(latency)]
    command += ["--requests-per-second", str(per_second)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "DEMO_CRM_TOKEN": TOKEN}
    )
    try:
        assert process.stdout is not None
        yield Crm(url=json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        process.wait(10)


def with_destination(sync: Sync, **changes: Any) -> Sync:
    """Return the sync with some of its destination's values replaced."""
    return replace(sync, destination=replace(sync.destination, **changes))
