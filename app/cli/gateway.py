"""`lake gateway`: run the HTTP gateway and handle its keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import frame
from lake.settings import find_project, load_settings

if TYPE_CHECKING:
    from lake.control import ApiKey

cli = typer.Typer(help="HTTP gateway: apps send records to streams.", no_args_is_help=True)
keys = typer.Typer(help="API keys of the gateway.", no_args_is_help=True)
cli.add_typer(keys, name="key")

Port = Annotated[int | None, typer.Option("--port", min=1, max=65535)]
Foreground = Annotated[bool, typer.Option("--foreground", help="Run it here until Ctrl-C or SIGTERM.")]
Streams = Annotated[
    list[str], typer.Option("--stream", help="A stream that it may send to, repeatable; '*' for all.")
]
Rate = Annotated[int | None, typer.Option("--rate", min=1, help="Records a second.")]
Days = Annotated[int | None, typer.Option("--days", min=1, help="Ends by itself after so many days.")]


@cli.command("run")
def run(*, port: Port = None, foreground: Foreground = False, as_json: frame.JsonFlag = False) -> None:
    """Start the gateway beside the stack and say where it is; `lake down` ends it."""
    project = find_project()
    settings = load_settings(project=project)
    if foreground:
        from ingest.gateway.serve import serve
        from lake.contracts import load_contracts

        with frame.act(settings, "gateway.run"):
            serve(
                settings,
                load_contracts(project.contracts),
                port=port or settings.gateway.port,
                on_listening=lambda url: frame.say(f"gateway at {url}; Ctrl-C ends it"),
            )
        return
    from app.gateway import start_gateway

    with frame.act(settings, "gateway.start"):
        url = start_gateway(project, settings, port=port)
    if as_json:
        frame.print_json({"url": url})
    else:
        frame.say(f"gateway at {url}")


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    *,
    stream: Streams,
    rate: Rate = None,
    days: Days = None,
    reason: frame.ReasonOption = "",
    as_json: frame.JsonFlag = False,
) -> None:
    """Make a key and print it: this is the only time that it can be seen."""
    from ingest.gateway.service import new_key
    from lake.contracts import load_contracts

    project = find_project()
    settings = load_settings(project=project)
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with frame.act(settings, "gateway.key.create", target=name, reason=reason) as detail:
        kept, made = new_key(
            settings,
            load_contracts(project.contracts),
            name=name,
            streams=stream,
            records_per_second=rate,
            expires_at=expires_at,
        )
        detail.update({"key_id": kept.key_id, "streams": list(kept.streams)})
    if as_json:
        frame.print_json({**_plain(kept), "key": made.token})
        return
    frame.say(made.token)
    frame.err.print(f"key {kept.key_id} of {name}: keep it safe, it can't be shown again", markup=False)


@keys.command("list")
def list_keys(*, as_json: frame.JsonFlag = False) -> None:
    """List the keys with scope, rate and state; the keys themselves are kept nowhere."""
    from ingest.gateway.service import read_keys

    found = [_plain(key) for key in read_keys(load_settings())]
    if as_json:
        frame.print_json(found)
        return
    columns = ("key_id", "name", "streams", "records_per_second", "state", "created_by", "created_at")
    rows = [[", ".join(key[c]) if c == "streams" else key[c] for c in columns] for key in found]
    frame.print_table("Keys", columns, rows)


@keys.command("revoke")
def revoke(key_id: str, *, reason: frame.ReasonOption = "", as_json: frame.JsonFlag = False) -> None:
    """End a key; a running gateway refuses it within five seconds."""
    from ingest.gateway.service import end_key

    settings = load_settings()
    with frame.act(settings, "gateway.key.revoke", target=key_id, reason=reason):
        ended = end_key(settings, key_id)
    if as_json:
        frame.print_json(_plain(ended))
    else:
        frame.say(f"key {key_id} of {ended.name} is revoked")


def _plain(key: ApiKey) -> dict[str, Any]:
    state = "active" if key.is_active(datetime.now(UTC)) else "revoked" if key.revoked_at else "expired"
    return {
        "key_id": key.key_id,
        "name": key.name,
        "streams": list(key.streams),
        "records_per_second": key.records_per_second,
        "state": state,
        "created_by": key.created_by,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }
