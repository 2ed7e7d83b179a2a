"""kill -9 of apply at random moments: the destination's own books show each revision applied once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lake.activation import apply_sync, make_plan, open_destination
from lake.clock import SystemClock
from lake.control.activation import locked_store, open_store
from tests.fakes.activation import SYNC, TOKEN, FileMart, crm_process, rows

pytestmark = pytest.mark.stack

COMMAND = Path(__file__).parents[1] / "fakes" / "apply_command.py"
TIERS = ("bronze", "silver", "gold", "platinum")
KILLS = 5


def test_each_revision_is_applied_once_however_often_apply_is_killed(
    lake_settings, lake_environment, tmp_path
):
    """Faulty CRM, moving mart, deletes and returns; a kill per round, at a random moment; then the end."""
    seed = random.SystemRandom().randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    mart = FileMart(path=tmp_path / "mart.json")
    with crm_process(tmp_path, fault_rate=0.15, seed=seed, latency=0.01) as crm:
        settings = crm.settings(lake_settings)
        environment = lake_environment | {
            "LAKE_VARIABLES__CRM_URL": crm.url,
            "LAKE_VARIABLES__CRM_TOKEN": TOKEN,
        }
        killed = 0
        for _ in range(KILLS):
            changed = {f"h{chance.randrange(120):03d}": chance.choice(TIERS) for _ in range(60)}
            content = rows(120, **changed)
            del content[chance.randrange(60, 120) :]
            mart.write(content)
            with open_store(settings.postgres, SYNC.name) as store:
                store.save_plan(make_plan(SYNC, mart=mart, store=store, clock=SystemClock()))
            killed += killed_after(chance.uniform(0, 0.35), settings, environment, mart)
        for _ in range(2):  # the first may refuse: what was in doubt makes the last plan an old one
            with open_store(settings.postgres, SYNC.name) as store:
                store.save_plan(make_plan(SYNC, mart=mart, store=store, clock=SystemClock()))
            run_to_its_end(settings, environment, mart)
        with open_destination(SYNC, settings) as target, locked_store(settings.postgres, SYNC.name) as store:
            report = apply_sync(SYNC, mart=mart, target=target, store=store, clock=SystemClock())
            ledger = store.ledger()
        assert report.run_id is None, "something was left to send"
        wanted = mart.read(SYNC).records
        held = crm.contacts()
        assert {key: contact["properties"] for key, contact in held.items()} == wanted
        stats = crm.stats()
        assert (stats["error"], stats["unchanged"], stats["missing"]) == (0, 0, 0)
        applied = stats["created"] + stats["updated"] + stats["deleted"]
        assert applied == sum(entry.revision for entry in ledger.values())
        assert killed >= KILLS // 2, f"only {killed} of {KILLS} kills hit a running apply"


def start(settings, environment, mart):
    process = subprocess.Popen(
        [sys.executable, str(COMMAND), str(mart.path)],
        cwd=settings.project_root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()
    return process


def killed_after(seconds, settings, environment, mart):
    """Return whether the kill came before the end."""
    process = start(settings, environment, mart)
    time.sleep(seconds)  # the moment of the kill is the input of this test
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def run_to_its_end(settings, environment, mart):
    process = start(settings, environment, mart)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in {0, 5}, errors
