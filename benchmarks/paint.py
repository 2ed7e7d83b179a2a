"""The console's health page in a real browser: seconds until its first figures are painted.

Needs Chromium (Debian: `apt-get install chromium`). Each visit is a new tab of a browser that is open
already, as a person has it; the page is painted when a dataframe or a metric stands in it. Speaks
Chrome's DevTools protocol, which every Chromium has.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from benchmarks.results import Figure, against_goal

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
VISITS = 5
PATIENCE = 60.0
PAINTED = "document.querySelectorAll('[data-testid=stDataFrame], [data-testid=stMetric]').length > 0"


@contextmanager
def browser() -> Iterator[str]:
    """Yield the address of a headless Chromium's DevTools."""
    program = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if program is None:
        sys.exit(f"this benchmark needs one of {', '.join(BROWSERS)}: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="lakemesh-browser-") as profile:
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync")
        quiet = ("--disable-background-networking", "--disable-component-update", "--disable-quic")
        process = subprocess.Popen(
            [program, *flags, *quiet, "--remote-debugging-port=0", f"--user-data-dir={profile}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield f"http://127.0.0.1:{_port(Path(profile) / 'DevToolsActivePort')}"
        finally:
            process.terminate()
            process.wait()


def _port(file: Path) -> str:
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        if file.exists() and (lines := file.read_text().splitlines()):
            return lines[0]
        time.sleep(0.05)
    sys.exit("the browser did not start")


def ask(tab: ClientConnection, numbers: Iterator[int], method: str, **parameters: Any) -> dict[str, Any]:
    """Send one command and wait for its answer; events in between are skipped."""
    number = next(numbers)
    tab.send(json.dumps({"id": number, "method": method, "params": parameters}))
    while True:
        answer = json.loads(tab.recv(timeout=PATIENCE))
        if answer.get("id") == number:
            return answer["result"]


def first_paint(devtools: str, page: str) -> float:
    """Return the seconds from asking for the page until its first figures stand in it."""
    opened = httpx.put(f"{devtools}/json/new?about:blank").raise_for_status().json()
    with connect(opened["webSocketDebuggerUrl"], max_size=None) as tab:
        numbers = itertools.count(1)
        began = time.monotonic()
        ask(tab, numbers, "Page.navigate", url=page)
        while not ask(tab, numbers, "Runtime.evaluate", expression=PAINTED)["result"].get("value"):
            if time.monotonic() - began > PATIENCE:
                sys.exit(f"{page} showed no figure in {PATIENCE:.0f} s")
            time.sleep(0.02)
        seconds = time.monotonic() - began
    httpx.get(f"{devtools}/json/close/{opened['id']}")
    return seconds


def paint_figure(page: str) -> Figure:
    """Return the median over a few visits of a running console's page."""
    with browser() as devtools:
        seconds = sorted(first_paint(devtools, page) for _ in range(VISITS))
    return against_goal("health page, first paint", seconds[VISITS // 2], "s", 2)
