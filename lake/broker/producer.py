"""Produce records of many topics and learn what became of each: acknowledged by all replicas, or not known.

The client numbers what it sends, so its own retries repeat nothing. A record that is not acknowledged in
time may stand in the log all the same: that is what "unknown" means here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from threading import Event, RLock, Thread
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from lake.broker.client import NEXT, client_configuration, full_name, log
from lake.broker.records import IDEMPOTENCY_HEADER
from lake.errors import UnavailableError
from lake.settings import BrokerSettings

_POLL_SECONDS = 0.1
_PROBE_SECONDS = 1.0
_ENVELOPE = 8_192  # key, headers and framing of one record
_DOWN = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001  librdkafka's own codes start with an underscore


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One record to produce; the key decides the partition, as Java's client would choose it."""

    value: bytes
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What became of a batch: how many records all replicas hold, and which outcomes are not known.

    `unknown` has the places of the records in the batch, ascending; `reason` is the first of theirs.
    """

    acknowledged: int
    unknown: tuple[int, ...] = ()
    reason: str = ""


class TopicProducer:
    """One idempotent producer with a bounded queue; thread-safe.

    `records` and `size` (bytes) bound what may wait for the broker; `seconds` is how long a record may
    wait before its outcome counts as unknown; `largest` is the longest value that will be sent.
    """

    def __init__(
        self, settings: BrokerSettings, *, records: int, size: int, seconds: float, largest: int
    ) -> None:
        self._settings = settings
        self._records = records
        self._size = size
        self._configuration = client_configuration(settings) | {
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 5,
            "delivery.timeout.ms": int(seconds * 1000),
            "message.max.bytes": largest + _ENVELOPE,
            # Above our own bounds, so that a batch that was let in never meets a full queue half-way.
            "queue.buffering.max.messages": records * 2,
            "queue.buffering.max.kbytes": 2 * (size + records * _ENVELOPE // 8) // 1024,
            "error_cb": self._on_error,
        }
        self._lock = RLock()  # a record that can't be queued is settled inside of send()
        self._pending_records = 0
        self._pending_bytes = 0
        self._down = False
        self._broken = False
        self._closing = Event()
        self._producer = Producer(self._configuration)
        self._poller = Thread(target=self._poll, name="producer", daemon=True)
        self._poller.start()

    @property
    def pending(self) -> int:
        """Return how many records wait for the broker's answer."""
        return self._pending_records

    @property
    def is_up(self) -> bool:
        """Tell whether any broker answered last time."""
        return not self._down

    def check_room(self, records: int = 1, size: int = 0) -> None:
        """Raise UnavailableError when the broker is down or the queue has no room for so much more."""
        if self._down:
            raise UnavailableError("broker", f"{self._settings.bootstrap_servers} does not answer", hint=NEXT)
        if self._pending_records + records > self._records or self._pending_bytes + size > self._size:
            raise UnavailableError(
                "broker", f"{self._pending_records} records wait for it already", hint="send more slowly"
            )

    def send(self, topic: str, batch: Sequence[Outgoing]) -> Future[Delivered]:
        """Queue a whole batch or nothing of it; `topic` is the contract's name for it.

        The future never fails. Raises UnavailableError when nothing was queued.
        """
        size = sum(len(record.value) for record in batch)
        name = full_name(self._settings, topic)
        with self._lock:
            self.check_room(len(batch), size)
            if self._broken:
                self._renew()
            self._pending_records += len(batch)
            self._pending_bytes += size
            waiting = _Batch(len(batch), self._lock, partial(self._leave, len(batch), size))
            for place, record in enumerate(batch):
                self._produce(name, record, partial(waiting.settle, place))
        return waiting.done

    def close(self, seconds: float) -> int:
        """Wait until the queue is empty; return how many records are still not acknowledged."""
        left: int = self._producer.flush(seconds)
        self._closing.set()
        self._poller.join()
        if left:
            self._producer.purge()
            self._producer.flush(_POLL_SECONDS)
        return left

    def _produce(self, name: str, record: Outgoing, report: Callable[..., None]) -> None:
        headers: list[tuple[str, Any]] = list(record.headers)
        if record.idempotency_key is not None:
            headers.append((IDEMPOTENCY_HEADER, record.idempotency_key))
        arguments: dict[str, Any] = {"headers": headers} if headers else {}
        try:
            self._producer.produce(name, record.value, record.key, on_delivery=report, **arguments)
        except KafkaException as error:
            report(error.args[0], None)
        except BufferError as error:
            report(error, None)

    def _leave(self, records: int, size: int) -> None:
        with self._lock:
            self._pending_records -= records
            self._pending_bytes -= size

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(_POLL_SECONDS)
            if self._down:
                self._probe()

    def _probe(self) -> None:
        """Ask for metadata: silence of idle connections looks like a broker that is down."""
        try:
            self._producer.list_topics(timeout=_PROBE_SECONDS)
        except KafkaException:
            return
        self._down = False
        log.info("producer.reconnected", place=self._settings.bootstrap_servers)

    def _on_error(self, error: KafkaError) -> None:
        # Runs inside poll(): remember, never raise through C.
        if error.code() == _DOWN:
            self._down = True
            log.warning("producer.disconnected", place=self._settings.bootstrap_servers)
        elif error.fatal():
            self._broken = True
            log.error("producer.broken", reason=error.str())

    def _renew(self) -> None:
        """Begin anew after an error that the client can't mend; what it held has failed by then."""
        self._producer.purge()
        self._producer.flush(_PROBE_SECONDS)
        self._producer = Producer(self._configuration)
        self._broken = False


class _Batch:
    """Counts the answers to one batch's records."""

    def __init__(self, records: int, lock: RLock, leave: Callable[[], None]) -> None:
        self.done: Future[Delivered] = Future()
        self.done.set_running_or_notify_cancel()  # whoever waits may give up; the records are on their way
        self._records = records
        self._left = records
        self._unknown: dict[int, str] = {}
        self._lock = lock
        self._leave = leave

    def settle(self, place: int, error: object | None, _message: object) -> None:
        with self._lock:
            self._left -= 1
            if error is not None:
                self._unknown[place] = error.str() if isinstance(error, KafkaError) else str(error)
            if self._left:
                return
        self._leave()
        self.done.set_result(
            Delivered(
                acknowledged=self._records - len(self._unknown),
                unknown=tuple(sorted(self._unknown)),
                reason=next(iter(self._unknown.values()), ""),
            )
        )
