"""Replace files of a table by others that hold the same rows, in one commit (Iceberg: `replace`).

The snapshot keeps every manifest that the change doesn't touch; in a touched one the files that go
are written as deleted, so that whoever removes files of old snapshots finds them. Where manifests are
many they are put together on the way. The commit is settled as every other: `lake.catalog.commits`.

Written with pyiceberg's manifest writers: its snapshot producers know neither `replace` nor delete
files, and copy the table's whole metadata a dozen times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

from pyiceberg.io import OutputFile
from pyiceberg.manifest import (
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriter,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Operation, Snapshot, Summary, UpdateMetrics
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    AssertRefSnapshotId,
    AssertTableUUID,
    RemoveSnapshotsUpdate,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
    TableUpdate,
)

from lake.catalog.commits import Conflict, Landed, NewSnapshot, Staged, expirable, settle
from lake.catalog.errors import mapped
from lake.catalog.files import WrittenFile
from lake.catalog.live_files import LiveFiles
from lake.catalog.open import LakeCatalog
from lake.catalog.retention import Retention
from lake.catalog.tables import TableState
from lake.clock import Deadline
from lake.errors import BadInputError
from lake.types import SnapshotId

_MANIFESTS_KEPT_APART = 8  # of one content; more are put together
_COMPRESSION: Literal["deflate"] = "deflate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """Which files go (data and delete files, by path) and which come in their place."""

    remove: frozenset[str]
    add: tuple[WrittenFile, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)


def rewrite(
    catalog: LakeCatalog,
    state: TableState,
    live: LiveFiles,
    change: Rewrite,
    *,
    deadline: Deadline,
    retain: Retention | int | None = None,
) -> Landed | Conflict:
    """Commit the change on top of exactly the main that `state` and `live` show.

    The caller answers for the rows being the same. No file is deleted from storage. `retain` keeps these
    snapshots in the metadata.
    Raises as `lake.catalog.commits.commit` does, BadInputError for a table of another format version.
    """
    metadata = state.handle.metadata
    if metadata.format_version != 2:
        raise BadInputError(f"{state.name} has format version {metadata.format_version}; only 2 is rewritten")
    with mapped(f"stage a rewrite of {state.name}"):
        snapshot = _snapshot(state.handle, live, change)
    updates: tuple[TableUpdate, ...] = (
        AddSnapshotUpdate(snapshot=snapshot),
        SetSnapshotRefUpdate.model_validate(
            {"ref-name": MAIN_BRANCH, "type": SnapshotRefType.BRANCH, "snapshot-id": snapshot.snapshot_id}
        ),
    )
    if change.properties:
        updates += (SetPropertiesUpdate(updates=dict(change.properties)),)
    if old := expirable(state, retain, deadline.clock.now()):
        updates += (RemoveSnapshotsUpdate.model_validate({"snapshot-ids": old}),)
    staged = Staged(
        snapshot=NewSnapshot(id=SnapshotId(snapshot.snapshot_id), sequence=metadata.next_sequence_number()),
        stamp=f"rewrite {snapshot.snapshot_id}",
        requirements=(
            AssertRefSnapshotId.model_validate(
                {"ref": MAIN_BRANCH, "snapshot-id": snapshot.parent_snapshot_id}
            ),
            AssertTableUUID(uuid=metadata.table_uuid),
        ),
        updates=updates,
    )
    return settle(catalog, state, staged, deadline)


def _snapshot(table: Table, live: LiveFiles, change: Rewrite) -> Snapshot:
    """Write the manifests and their list; nobody names them yet."""
    metadata = table.metadata
    writing = _Writing(table=table, snapshot_id=metadata.new_snapshot_id())
    place = table.location_provider().new_metadata_location(f"snap-{writing.snapshot_id}-{writing.uuid}.avro")
    sequence = metadata.next_sequence_number()
    with write_manifest_list(
        format_version=2,
        output_file=table.io.new_output(place),
        snapshot_id=writing.snapshot_id,
        parent_snapshot_id=metadata.current_snapshot_id,
        sequence_number=sequence,
        avro_compression=_COMPRESSION,
    ) as listing:
        listing.add_manifests(list(_manifests(writing, live, change)))
    return Snapshot.model_validate(
        {
            "snapshot-id": writing.snapshot_id,
            "parent-snapshot-id": metadata.current_snapshot_id,
            "manifest-list": place,
            "sequence-number": sequence,
            "summary": _summary(live, change),
            "schema-id": metadata.current_schema_id,
        }
    )


@dataclass(slots=True, kw_only=True)
class _Writing:
    """The new snapshot's manifests, one file after the other."""

    table: Table
    snapshot_id: int
    uuid: str = field(default_factory=lambda: str(uuid4()))
    written: int = 0

    def manifest(self, content: ManifestContent, spec_id: int) -> ManifestWriter:
        """Open the next manifest."""
        kind = ManifestWriterV2 if content is ManifestContent.DATA else _DeletesWriter
        schema = self.table.schema()
        return kind(self.table.specs()[spec_id], schema, self._output(), self.snapshot_id, _COMPRESSION)

    def _output(self) -> OutputFile:
        name = f"{self.uuid}-m{self.written}.avro"
        self.written += 1
        return self.table.io.new_output(self.table.location_provider().new_metadata_location(name))


class _DeletesWriter(ManifestWriterV2):
    """A manifest of delete files."""

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def _manifests(writing: _Writing, live: LiveFiles, change: Rewrite) -> Iterator[ManifestFile]:
    if change.add:
        with writing.manifest(ManifestContent.DATA, writing.table.metadata.default_spec_id) as writer:
            for file in change.add:
                writer.add(_added(file, writing.snapshot_id))
        yield writer.to_manifest_file()
    apart: dict[tuple[ManifestContent, int], list[ManifestEntry]] = defaultdict(list)
    for content in (ManifestContent.DATA, ManifestContent.DELETES):
        of_content = [(m, entries) for m, entries in live.manifests if m.content == content]
        many = len(of_content) > _MANIFESTS_KEPT_APART
        for manifest, entries in of_content:
            if many or any(entry.data_file.file_path in change.remove for entry in entries):
                apart[content, manifest.partition_spec_id].extend(entries)
            else:
                yield manifest
    for (content, spec_id), entries in apart.items():
        with writing.manifest(content, spec_id) as writer:
            for entry in entries:
                keep = entry.data_file.file_path not in change.remove
                (writer.existing if keep else writer.delete)(entry)
        yield writer.to_manifest_file()


def _added(file: WrittenFile, snapshot_id: int) -> ManifestEntry:
    return ManifestEntry.from_args(
        status=ManifestEntryStatus.ADDED, snapshot_id=snapshot_id, sequence_number=None, data_file=file.handle
    )


def _summary(live: LiveFiles, change: Rewrite) -> Summary:
    """Count what changed and what there is: engines' own snapshots often carry no totals."""
    changed, total = UpdateMetrics(), UpdateMetrics()
    for file in change.add:
        changed.add_file(file.handle)
        total.add_file(file.handle)
    for _, entries in live.manifests:
        for entry in entries:
            if entry.data_file.file_path in change.remove:
                changed.remove_file(entry.data_file)
            else:
                total.add_file(entry.data_file)
    totals = {
        "total-data-files": total.added_data_files,
        "total-delete-files": total.added_delete_files,
        "total-records": total.added_records,
        "total-files-size": total.added_file_size,
        "total-position-deletes": total.added_pos_deletes,
        "total-equality-deletes": total.added_eq_deletes,
    }
    numbers = {name: str(number) for name, number in totals.items()}
    return Summary(operation=Operation.REPLACE, **changed.to_dict(), **numbers)
