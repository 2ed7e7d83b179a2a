"""Run the console as one of the project's services, or in the foreground."""

from __future__ import annotations

import subprocess
import sys

from lake.settings import Project, Settings, inherited_environment, settings_environment
from lake.stack import AppService, reserve_port, run_service

NAME = "console"

# Passed as flags, not by a file, so that a project folder needs none and a user's own can't unlock anything.
_OPTIONS = {
    "server.address": "127.0.0.1",
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "logger.level": "warning",
    "theme.primaryColor": "#0f766e",
    "theme.linkColor": "#0f766e",
    "theme.baseRadius": "0.6rem",
    "theme.baseFontSize": "15",
    "theme.showWidgetBorder": "true",
}


def start_console(project: Project, settings: Settings, *, port: int | None = None) -> str:
    """Start the console beside the stack, or keep it when it runs; return its address."""
    chosen = port or reserve_port(project, NAME, preferred=settings.console_port)
    service = AppService(
        name=NAME,
        argv=tuple(_argv(chosen)),
        cwd=project.root,
        env=settings_environment(),
        port=chosen,
        url=address(chosen),
        health="/_stcore/health",
    )
    run_service(project, service)
    return address(chosen)


def run_in_foreground(project: Project, settings: Settings, *, port: int | None = None) -> int:
    """Run the console until Ctrl-C and return its exit code."""
    argv = _argv(port or settings.console_port)
    with subprocess.Popen(argv, cwd=project.root, env=inherited_environment()) as process:
        try:
            return process.wait()
        finally:
            process.terminate()


def address(port: int) -> str:
    """Return what to type into a browser."""
    return f"http://127.0.0.1:{port}"


def _argv(port: int) -> list[str]:
    flags = [part for name, value in _OPTIONS.items() for part in (f"--{name}", value)]
    return [sys.executable, "-m", "app.console", "--server.port", str(port), *flags]
