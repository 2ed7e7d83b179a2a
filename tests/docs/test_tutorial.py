"""The tutorial word for word: its files, its commands in their order, and what they show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lake.settings import Project, inherited_environment
from lake.stack import stop
from tests.fakes.commands import BIN, run_command

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`([\w./]+\.(?:csv|sql))`:\s*\Z")
MOST_COMMANDS = 10  # from one's own file to a mart


@dataclass(slots=True)
class Reader:
    """Somebody who follows the page in a folder of their own."""

    folder: Path
    said: dict[str, str] = field(default_factory=dict)

    def follow(self) -> None:
        """Write each file and run each command in the order of the page."""
        text, before = PAGE.read_text(encoding="utf-8"), 0
        for block in BLOCK.finditer(text):
            if block["kind"] == "sh":
                for line in block["body"].splitlines():
                    self.run(line)
            else:
                named = NAMED.search(text[before : block.start()])
                assert named is not None, f"which file is this? {block['body'][:60]}"
                (self.folder / named[1]).write_text(block["body"], encoding="utf-8")
            before = block.end()

    def run(self, line: str) -> None:
        words = shlex.split(line)
        if words[0] == "cd":
            self.folder /= words[1]
            return
        done = run_command(
            *words,
            folder=self.folder,
            environment=inherited_environment(PATH=f"{BIN}:/usr/bin:/bin"),
            seconds=300,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        self.said[line] = done.stdout


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    yield Reader(tmp_path)
    if (tmp_path / "shop" / "config.yaml").exists():
        stop(Project(root=(tmp_path / "shop").resolve()))


def test_the_tutorial_does_what_it_says(reader: Reader) -> None:
    """Its own example and one's own file end as marts; the bad record is in quarantine."""
    reader.follow()

    said = {line.split(" ORDER")[0]: text for line, text in reader.said.items()}
    visits = said['lake sql "SELECT * FROM lake.analytics.visits_by_day'].splitlines()
    sales = said['lake sql "SELECT * FROM lake.analytics.sales_by_day'].splitlines()
    assert len(visits) > 3
    assert [line.split("\t")[:3] for line in sales[1:]] == [
        ["2026-01-01", "2", "24.90"],
        ["2026-01-02", "2", "49.75"],
    ]
    assert "visits" in said["lake quarantine list"]
    assert "24 rows landed" in said["lake land data/visits.ndjson --stream visits"]
    own = list(reader.said)[list(reader.said).index("lake quarantine list") + 1 : -1]
    assert len(own) + len(["lake init shop", "cd shop", "lake up"]) <= MOST_COMMANDS
