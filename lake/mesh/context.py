"""A SQLMesh Context that stays: loading one costs seconds, and only files that changed are a reason.

The Context is thrown away when config.yaml changed, loads the project again when another definition
changed, and is handed out as it is otherwise. Hashes decide, not times: a branch that is checked out
and left again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from sqlglot.errors import SqlglotError
from sqlmesh.core.console import configure_console, get_console, set_console
from sqlmesh.core.context import Context
from sqlmesh.utils.errors import (
    AdditiveChangeError,
    ConfigError,
    DestructiveChangeError,
    LinterError,
    NodeAuditsErrors,
    PlanError,
    SQLMeshError,
    TestError,
)

from lake.errors import ConfigurationError, LakeError, RefusedError, TerminalError
from lake.mesh.definitions import CONFIG, fingerprint
from lake.mesh.quiet import QuietConsole
from lake.settings import Project

_REFUSALS = (
    PlanError,
    LinterError,
    TestError,
    NodeAuditsErrors,
    DestructiveChangeError,
    AdditiveChangeError,
)


class WarmContext:
    """One project's Context for the life of a process; one caller at a time uses it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._using = RLock()
        self._context: Context | None = None
        self._config = b""
        self._definitions = ""

    @contextmanager
    def use(self, *, quiet: bool = True, load: bool = True) -> Iterator[Context]:
        """Yield the Context, in step with the files; SQLMesh's errors come out as ours.

        SQLMesh writes to the terminal unless `quiet`. With `load=False` models are not needed.
        """
        with self._using, stock_errors():
            set_console(QuietConsole()) if quiet else configure_console()
            context = self._current(load=load)
            context.console = get_console()
            yield context

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        with self._using:
            if self._context is not None:
                self._context.close()
            self._context, self._definitions = None, ""

    def _current(self, *, load: bool) -> Context:
        config = (self.project.root / CONFIG).read_bytes()
        if self._context is None or config != self._config:
            self.close()
            self._context, self._config = Context(paths=[str(self.project.root)], load=False), config
        if load:
            definitions = fingerprint(self.project.root)
            if definitions != self._definitions:
                self._definitions = ""  # a load that fails leaves half a project behind
                self._context.load()
                self._definitions = definitions
        return self._context


@contextmanager
def stock_errors() -> Iterator[None]:
    """Turn what SQLMesh raises into the tree of lake.errors; what is in the tree already passes."""
    try:
        yield
    except LakeError:
        raise
    except _REFUSALS as error:
        raise RefusedError(
            _reason(error), hint="mend what is named above and run the command again"
        ) from error
    except (ConfigError, SqlglotError) as error:
        raise ConfigurationError(_reason(error), hint="sqlmesh lint") from error
    except SQLMeshError as error:
        raise TerminalError(_reason(error), hint="run sqlmesh with --debug for the whole story") from error


def _reason(error: Exception) -> str:
    """Return what SQLMesh said, and what a console that shows nothing kept for us."""
    console = get_console()
    told = console.told if isinstance(console, QuietConsole) else []
    cause = [str(error.__cause__)] if error.__cause__ is not None else []
    text = "; ".join(dict.fromkeys([str(error), *cause, *told]))
    return text.replace("\x1b[4m", "").replace("\x1b[0m", "").strip()
