"""How much disk an installation without the extra `dev` takes, counted in an installation that has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import cache_from_source
from pathlib import Path

from packaging.requirements import Requirement

EXTRAS = frozenset({"embedded", "demo"})
TOOLS = ("pip", "setuptools", "uv")  # what `make install` leaves in the environment besides


def installed_megabytes() -> float:
    """Return the disk blocks of lakemesh[embedded,demo], all it depends on, and the installers."""
    seen: dict[str, frozenset[str]] = {}
    _collect("lakemesh", EXTRAS, seen)
    for tool in TOOLS:
        _collect(tool, frozenset(), seen)
    files = {path for name in seen for path in _files(distribution(name))}
    return sum(path.stat().st_blocks * 512 for path in files) / 1e6


def _collect(name: str, extras: frozenset[str], seen: dict[str, frozenset[str]]) -> None:
    """Add a package and what it needs on this machine."""
    known = seen.get(name)
    if known is not None and extras <= known:
        return
    try:
        needs = distribution(name).requires or ()
    except PackageNotFoundError:
        return  # an alternative that this platform doesn't install
    seen[name] = extras | (known or frozenset())
    for requirement in _wanted(needs, seen[name]):
        _collect(requirement.name.lower().replace("_", "-"), frozenset(requirement.extras), seen)


def _wanted(needs: Iterable[str], extras: frozenset[str]) -> Iterator[Requirement]:
    for requirement in map(Requirement, needs):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield requirement


def _files(package: Distribution) -> Iterator[Path]:
    for entry in package.files or ():
        path = Path(str(package.locate_file(entry))).resolve()
        compiled = Path(cache_from_source(str(path))) if path.suffix == ".py" else None
        yield from (found for found in (path, compiled) if found is not None and found.is_file())
