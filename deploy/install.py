"""Install the servers that have no wheel: `python deploy/install.py trino|rest-catalog|kafka|minio|…`.

Once per machine and recipe, into `${XDG_CACHE_HOME:-~/.cache}/lakemesh/<name>`; a second run says that
nothing is to do. Maven and Go fetch from their registries; a missing tool is named and is an error,
never skipped. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DONE = "installed.json"
SHAPE = b"1"  # grows when a recipe below puts other files into place
MINIO = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"  # the last one: upstream is archived
COMPOSE = "github.com/compose-spec/compose-go/v2/cmd@v2.6.5"  # what `docker compose config` reads files with
# Of Trino's core only what the lake uses: the rest would be loaded at each start.
TRINO_PLUGINS = {"iceberg", "password-authenticators", "resource-group-managers", "session-property-managers"}
JAVA_PLACES = (
    "/usr/lib/jvm/*/bin/java",
    "/opt/*/bin/java",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home/bin/java",
    "~/.sdkman/candidates/java/*/bin/java",
)
TOOL_PLACES = ("/usr/local/go/bin",)


class MissingError(Exception):
    """A tool is missing; the message says which, for what, and how to get it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one server is put together; `java` is the oldest JDK that runs it, 0 for none."""

    source: str  # what is installed: a pom below the repository, or a Go module at a version
    java: int
    build: Callable[[str, Path], None]

    def digest(self) -> str:
        content = (ROOT / self.source).read_bytes() if self.java else self.source.encode()
        return hashlib.sha256(SHAPE + content).hexdigest()


def cache() -> Path:
    """Return the folder of everything that is installed here."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lakemesh"


def install(name: str) -> Path:
    """Install one server unless it is there, and return its folder. Raises MissingError."""
    recipe, target = RECIPES[name], cache() / name
    java = find_java(name, recipe.java) if recipe.java else ""
    cache().mkdir(parents=True, exist_ok=True)
    with _alone(name):
        if _digest_of(target) == recipe.digest():
            _note_java(target, java)
            print(f"{name}: installed in {target}")
            return target
        print(f"{name}: installing into {target}", flush=True)
        with tempfile.TemporaryDirectory(dir=cache(), prefix=f"{name}.new-") as scratch:
            fresh = Path(scratch) / name
            fresh.mkdir()
            recipe.build(recipe.source, fresh)
            _write(fresh, {"digest": recipe.digest(), "java": java})
            shutil.rmtree(target, ignore_errors=True)
            fresh.rename(target)
    print(f"{name}: done")
    return target


def find_java(name: str, oldest: int) -> str:
    """Return the path of the newest JDK's `java` that is new enough."""
    named = [Path(home) / "bin" / "java"] if (home := os.environ.get("JAVA_HOME")) else []
    on_path = [Path(found)] if (found := shutil.which("java")) else []
    places = [
        path
        for place in JAVA_PLACES
        for path in sorted(Path("/").glob(str(Path(place).expanduser()).removeprefix("/")))
    ]
    versions = {str(path): _java_version(path) for path in (*named, *on_path, *places) if path.is_file()}
    fitting = [path for path, version in versions.items() if version >= oldest]
    if not fitting:
        seen = ", ".join(f"{version} ({path})" for path, version in versions.items()) or "none"
        raise MissingError(
            f"{name} needs a JDK {oldest} or newer; found: {seen}."
            f" Install one (for example Temurin 25: the package temurin-25-jdk) or point JAVA_HOME at it."
        )
    return fitting[0]


def _java_version(java: Path) -> int:
    done = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found.group(1)) if found else 0


def _tool(name: str, how: str) -> str:
    elsewhere = (str(place / name) for place in map(Path, TOOL_PLACES) if (place / name).is_file())
    found = shutil.which(name) or next(elsewhere, None)
    if found is None:
        raise MissingError(f"{name} is not on the PATH. {how}")
    return found


def _run(argv: list[str], **environment: str) -> None:
    done = subprocess.run(argv, env={**os.environ, **environment}, cwd=ROOT, check=False)
    if done.returncode != 0:
        raise MissingError(f"{' '.join(argv)} ended with {done.returncode}; its words are above")


def _jars(pom: str, target: Path) -> None:
    """Copy a pom's dependencies into the folder."""
    maven = _tool("mvn", "Install Maven 3.8 or newer (the package maven).")
    argv = [maven, "--batch-mode", "--quiet", "--file", str(ROOT / pom), "dependency:copy-dependencies"]
    _run([*argv, f"-DoutputDirectory={target}"])


def _trino(pom: str, target: Path) -> None:
    """Unpack the server's core and the Iceberg connector."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        archives = Path(scratch)
        _jars(pom, archives)
        (server,) = archives.glob("trino-server-core-*.tar.gz")
        with tarfile.open(server) as archive:
            archive.extractall(archives, filter="data")
        (folder,) = (path for path in archives.glob("trino-server-core-*") if path.is_dir())
        (connector,) = archives.glob("trino-iceberg-*.zip")
        with zipfile.ZipFile(connector) as archive:
            archive.extractall(folder / "plugin")
        (unpacked,) = (folder / "plugin").glob("trino-iceberg-*")
        unpacked.rename(folder / "plugin" / "iceberg")
        for plugin in (folder / "plugin").iterdir():
            if plugin.name not in TRINO_PLUGINS:
                shutil.rmtree(plugin)
        for part in folder.iterdir():
            part.rename(target / part.name)


def _go(module: str, target: Path) -> None:
    """Build a Go program."""
    go = _tool("go", "Install Go 1.24 or newer.")
    _run([go, "install", module], GOBIN=str(target))


RECIPES = {
    "trino": Recipe(source="deploy/trino/pom.xml", java=24, build=_trino),
    "rest-catalog": Recipe(source="deploy/rest-catalog/pom.xml", java=17, build=_jars),
    "kafka": Recipe(source="tests/real/kafka/pom.xml", java=17, build=_jars),
    "minio": Recipe(source=MINIO, java=0, build=_go),
    "compose": Recipe(source=COMPOSE, java=0, build=_go),
}


def _digest_of(target: Path) -> str:
    try:
        return str(json.loads((target / DONE).read_text(encoding="utf-8"))["digest"])
    except (FileNotFoundError, ValueError, KeyError):
        return ""


def _note_java(target: Path, java: str) -> None:
    """Keep the path of `java` true: the one found at installation may have gone."""
    document = json.loads((target / DONE).read_text(encoding="utf-8"))
    if document["java"] != java:
        _write(target, {**document, "java": java})


def _write(target: Path, document: dict[str, str]) -> None:
    (target / DONE).write_text(json.dumps(document), encoding="utf-8")


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Let a second installation of the same server wait for the first."""
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(names: list[str]) -> int:
    """Install what is named; print what is missing and fail otherwise."""
    unknown = sorted(set(names) - set(RECIPES))
    if unknown or not names:
        print(f"usage: install.py {'|'.join(RECIPES)} …", file=sys.stderr)
        return 2
    missing = []
    for name in names:
        try:
            install(name)
        except MissingError as error:
            missing.append(str(error))
    for line in missing:
        print(line, file=sys.stderr)
    return 3 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
