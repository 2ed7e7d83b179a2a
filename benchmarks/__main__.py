"""Run every benchmark, one after the other, and print one table of figures and ratios."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.results import FOLDER, Figure, line_of, machine_versions

HERE = Path(__file__).parent
NOT_BENCHMARKS = {"__main__", "installed", "paint", "promotions", "results", "sandbox", "sides", "timing"}


def main() -> int:
    """Return 0 when every benchmark ran."""
    names = sorted(p.stem for p in HERE.glob("*.py") if p.stem not in NOT_BENCHMARKS | {"__init__"})
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        if subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"], cwd=HERE.parent, check=False
        ).returncode:
            failed.append(name)
    versions = ", ".join(f"{k} {v}" for k, v in machine_versions().items())
    print(f"\n{os.cpu_count()} cores; {versions}")
    for name in names:
        if name in failed:
            print(f"{name}: FAILED")
            continue
        for document in json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")):
            print(f"{name:<10} {line_of(Figure(**document))}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
