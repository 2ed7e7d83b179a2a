"""`python -m app.console --server.port PORT …`: serve the console, warm before its first visitor."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Thread

from streamlit.web import cli

from app.console.warm import warm


def main() -> None:
    """Serve the console; the arguments are Streamlit's own flags."""
    Thread(target=warm, name="warm", daemon=True).start()
    sys.argv = ["streamlit", "run", str(Path(__file__).with_name("main.py")), *sys.argv[1:]]
    cli.main(prog_name="streamlit")


main()
