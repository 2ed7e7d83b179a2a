"""What the gateway takes right now: streams by their deployed contracts, by their files until there is one.

A deploy is followed within seconds. What landing lands by may be a moment behind or ahead, so landing
judges every record once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ingest.deploy.history import history_of
from ingest.gateway.openapi import describe
from ingest.gateway.stream import Stream, open_streams
from lake.contracts import Contract, StreamKind
from lake.control import ContractRecord
from lake.log import get_logger

log = get_logger("gateway")


class Offer:
    """The streams of one gateway; `refresh` may block, everything else is memory.

    `load` returns the deployed versions, raising UnavailableError when nobody can tell. `paths` are the
    addresses that the OpenAPI document has besides.
    """

    def __init__(
        self,
        contracts: Sequence[Contract],
        load: Callable[[], Sequence[ContractRecord]],
        *,
        own_ids: bool,
        paths: Mapping[str, Any],
    ) -> None:
        self._files = {c.stream: c for c in contracts if c.kind is StreamKind.TOPIC}
        self._load = load
        self._own_ids = own_ids
        self._paths = paths
        self._seen: frozenset[tuple[str, str]] = frozenset()
        self._wanted: Mapping[str, Contract] = {}
        self.streams: Mapping[str, Stream] = {}
        self.document: Mapping[str, Any] = {}
        self._open(self._files)

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """Return the contracts of the streams that can be sent to."""
        return tuple(stream.contract for stream in self.streams.values())

    def refresh(self) -> None:
        """Follow what was deployed since the last look; without an answer all stays as it is."""
        records = self._load()
        seen = frozenset((record.stream, record.version) for record in records)
        if seen == self._seen:
            return
        deployed = {stream: versions[-1] for stream, versions in history_of(records).items()}
        self._open({**self._files, **{s: c for s, c in deployed.items() if c.kind is StreamKind.TOPIC}})
        self._seen = seen

    def _open(self, wanted: Mapping[str, Contract]) -> None:
        """Prepare all streams anew: which others share its topic decides how a stream's records go out."""
        for stream, contract in wanted.items():
            before = self._wanted.get(stream)
            if before is not None and before.version != contract.version:
                log.info("contract.followed", stream=stream, version=contract.version)
        self._wanted = wanted
        self.streams = open_streams(tuple(wanted.values()), own_ids=self._own_ids)
        self.document = describe(self.contracts, self._paths)
