#!/bin/sh
# entrypoint.sh DATA ADDRESS: serve a folder as S3. A folder in it is a bucket: the lake's two are made first.
set -eu
mkdir -p "$1/warehouse" "$1/files"
exec "${MINIO_PROGRAM:-minio}" server "$1" --address "$2"
