"""Send people a notice through the `notification_targets` that the project's config.yaml names.

An owner who is one of the config's `users` with targets of their own gets it there, everybody else through
the general targets. What a channel does wrong is logged and told, and fails nothing (invariant I8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlmesh.core.config import Config
from sqlmesh.core.config.loader import load_config_from_paths
from sqlmesh.core.notification_target import BaseNotificationTarget, NotificationStatus
from sqlmesh.utils.errors import SQLMeshError

from lake.errors import ConfigurationError
from lake.log import get_logger

log = get_logger("mesh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What one owner has to know."""

    owner: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What became of a notice; `channels` are the targets that took it, `failures` what others said."""

    notice: Notice
    channels: tuple[str, ...]
    failures: tuple[str, ...] = ()


def send_notices(root: Path, notices: Sequence[Notice]) -> tuple[Delivered, ...]:
    """Send each notice once; raises ConfigurationError when config.yaml can't be read."""
    if not notices:
        return ()
    try:
        config = load_config_from_paths(Config, project_paths=[root / "config.yaml"], load_from_env=False)
    except SQLMeshError as error:
        raise ConfigurationError(
            f"config.yaml can't be read: {error}", hint="mend it; sqlmesh info"
        ) from error
    own = {user.username: user.notification_targets for user in config.users if user.notification_targets}
    return tuple(_send(notice, own.get(notice.owner, config.notification_targets)) for notice in notices)


def _send(notice: Notice, targets: Sequence[BaseNotificationTarget]) -> Delivered:
    channels, failures = [], []
    for target in targets:
        if not target.is_configured:
            continue
        try:
            target.send(NotificationStatus.WARNING, f"to {notice.owner}: {notice.text}")
        except Exception as error:  # noqa: BLE001  channels are plugins and may raise anything; the deploy is done
            failures.append(f"{target.type_}: {error}")
        else:
            channels.append(str(target.type_))
    log.info("notice.sent", owner=notice.owner, text=notice.text, channels=channels, failures=failures)
    return Delivered(notice=notice, channels=tuple(channels), failures=tuple(failures))
