"""A Protobuf schema of the registry, compiled: text by protoc, as every writer's own compiler reads it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import DecodeError

from lake.broker import SchemaFile

_ROOT = "lakemesh_record.proto"
_COMPILE_SECONDS = 60


class ProtobufSchemaError(ValueError):
    """A text that is no Protobuf schema."""


def compile_schema(text: str, files: Sequence[SchemaFile] = ()) -> Any:
    """Return the file descriptor of a schema; `files` are those that it imports, by the names it uses.

    Google's common types may be imported too. Raises ProtobufSchemaError.
    """
    for file in (*(f.name for f in files), _ROOT):
        if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
            raise ProtobufSchemaError(f"an import leads out of the schema: {file}")
    with tempfile.TemporaryDirectory(prefix="lakemesh-proto-") as folder:
        root = Path(folder)
        for name, content in ((_ROOT, text), *((f.name, f.text) for f in files)):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        target = root / "compiled.bin"
        found = _protoc(root, target)
        if found.returncode:
            raise ProtobufSchemaError(f"no Protobuf schema: {found.stderr.strip()[:500]}")
        return describe(target.read_bytes())


def _protoc(root: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Run the compiler as a process of its own: its errors go to no stream that Python could read."""
    from google.type import date_pb2  # noqa: PLC0415
    from grpc_tools import __file__ as tools  # noqa: PLC0415  only those who read Protobuf need it

    includes = [root, Path(tools).parent / "_proto", Path(date_pb2.__file__).parents[2]]
    command = [
        *(sys.executable, "-m", "grpc_tools.protoc"),
        *(f"--proto_path={include}" for include in includes),
        *("--include_imports", f"--descriptor_set_out={target}", _ROOT),
    ]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=_COMPILE_SECONDS)


def describe(compiled: bytes) -> Any:
    """Return the last file of a compiled set, in a pool of its own: names of schemas may repeat."""
    files = descriptor_pb2.FileDescriptorSet()
    try:
        files.ParseFromString(compiled)
        pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            pool.Add(file)
        return pool.FindFileByName(files.file[-1].name)
    except (DecodeError, TypeError, KeyError, IndexError) as error:
        raise ProtobufSchemaError(f"no Protobuf schema: {error}") from error
