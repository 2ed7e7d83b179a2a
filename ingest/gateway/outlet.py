"""The way out: topics that exist, and one producer for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Lock

from lake.broker import Delivered, Outgoing, TopicProducer, create_topic, describe_topic, full_name
from lake.errors import HistoryError
from lake.log import get_logger
from lake.settings import Profile, Settings

log = get_logger("gateway")

_PARTITIONS = 3  # of a topic that the gateway creates on the embedded broker
_MARGIN_SECONDS = 5.0


class Outlet:
    """Sends to topics; `prepare` may block, `send` does not."""

    def __init__(self, settings: Settings) -> None:
        limits = settings.gateway
        self._settings = settings
        self._known: set[str] = set()
        self._lock = Lock()
        self._seconds = limits.ack_seconds
        self.producer = TopicProducer(
            settings.broker,
            records=limits.pending_records,
            size=limits.pending_bytes,
            seconds=limits.ack_seconds,
            largest=limits.record_bytes,
        )

    def is_known(self, topic: str) -> bool:
        """Tell whether `prepare` has found the topic before."""
        return topic in self._known

    def prepare(self, topic: str) -> None:
        """Make sure that the topic exists; on the embedded broker it is created.

        Raises HistoryError when somebody has to create it, UnavailableError when the broker is silent.
        """
        with self._lock:
            if topic in self._known:
                return
            if describe_topic(self._settings.broker, topic) is None:
                name = full_name(self._settings.broker, topic)
                if self._settings.profile is not Profile.EMBEDDED:
                    raise HistoryError(
                        f"there is no topic {name}",
                        hint="create it with the replicas and the retention that it needs",
                    )
                create_topic(self._settings.broker, topic, partitions=_PARTITIONS)
                log.info("topic.created", topic=name)
            self._known.add(topic)

    async def send(self, topic: str, batch: Sequence[Outgoing]) -> Delivered:
        """Queue a batch and wait until each record is acknowledged or given up.

        Raises UnavailableError when nothing was queued.
        """
        future = self.producer.send(topic, batch)
        try:
            async with asyncio.timeout(self._seconds + _MARGIN_SECONDS):
                delivered = await asyncio.wrap_future(future)
        except TimeoutError:
            return Delivered(acknowledged=0, unknown=tuple(range(len(batch))), reason="no answer in time")
        if delivered.unknown:
            self._known.discard(topic)  # somebody may have dropped it
        return delivered
