"""The environment of a git branch: a name that catalogs accept, the same each time, of one branch only."""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lake.errors import ConfigurationError
from lake.settings import EnvironmentSettings

PROD = "prod"
_PREFIX = "dev_"
_LONGEST = 40
_DIGEST = 6  # hex digits that keep apart what looks the same once it is simplified
_DIGESTED = re.compile(rf"_[0-9a-f]{{{_DIGEST}}}\Z")
_GIT_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """What is checked out: a branch, or a commit when HEAD is detached."""

    branch: str
    commit: str


def environment_of(checkout: Checkout, settings: EnvironmentSettings) -> str:
    """Return the name of a checkout's environment: `dev_` and the branch's name in a-z, 0-9 and _.

    A name that had to be changed or cut for that gets a digest of the whole: `Fix/π` and `fix/p` stay
    apart. Prod is the environment of a branch only where the settings name that branch.
    """
    branch = settings.branch or checkout.branch
    if not branch:
        return f"{_PREFIX}at_{checkout.commit[:12]}"
    if branch == settings.prod_branch:
        return PROD
    simple = re.sub(r"[^a-z0-9]+", "_", branch.lower()).strip("_")
    room = _LONGEST - len(_PREFIX)
    if simple == branch and len(simple) <= room and not _DIGESTED.search(simple):
        return _PREFIX + simple
    digest = hashlib.sha256(branch.encode()).hexdigest()[:_DIGEST]
    kept = simple[: room - _DIGEST - 1].rstrip("_")
    return _PREFIX + "_".join(part for part in (kept, digest) if part)


def read_checkout(folder: Path) -> Checkout:
    """Ask git what is checked out around a folder.

    Raises ConfigurationError where there is no git or no commit yet.
    """
    branch = _git(folder, "symbolic-ref", "--short", "--quiet", "HEAD")
    if branch is not None:
        return Checkout(branch=branch, commit=_git(folder, "rev-parse", "--verify", "--quiet", "HEAD") or "")
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if commit is None:
        raise ConfigurationError(
            f"{folder} is in no git repository, so no branch names its environment",
            hint="name one: lake plan dev_me, or set LAKE_ENVIRONMENTS__BRANCH",
        )
    return Checkout(branch="", commit=commit)


def current_environment(folder: Path, settings: EnvironmentSettings) -> str:
    """Return the environment of what is checked out; git is not asked where the settings name a branch."""
    checkout = Checkout(branch="", commit="") if settings.branch else read_checkout(folder)
    return environment_of(checkout, settings)


def _git(folder: Path, *arguments: str) -> str | None:
    """Return git's answer, None when it has none."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(
            f"git does not answer: {error}", hint="name an environment: lake plan dev_me"
        ) from error
    return done.stdout.strip() or None if done.returncode == 0 else None
