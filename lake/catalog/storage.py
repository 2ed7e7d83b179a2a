"""File access for pyiceberg: Arrow's S3 client with a certificate authority of the settings."""

from __future__ import annotations

from pyarrow.fs import AwsStandardS3RetryStrategy, FileSystem, S3FileSystem
from pyiceberg.io.pyarrow import PyArrowFileIO

from lake.settings import Settings

_ATTEMPTS = 3


def open_storage(settings: Settings) -> FileSystem:
    """Return the object storage of the settings, for files beside the tables; paths begin with a bucket."""
    own = settings.storage
    return S3FileSystem(
        endpoint_override=own.endpoint,
        access_key=own.access_key,
        secret_key=own.secret_key.get_secret_value(),
        region=own.region,
        connect_timeout=5,
        request_timeout=settings.catalog.timeout_seconds,
        force_virtual_addressing=not own.path_style,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        tls_ca_file_path=str(own.ca_file) if own.ca_file else None,
    )


class LakeFileIO(PyArrowFileIO):
    """pyiceberg's file IO, which has no property for a CA file and no default retry."""

    def _initialize_s3_fs(self, netloc: str | None) -> FileSystem:  # noqa: ARG002  the name is pyiceberg's
        own = self.properties
        return S3FileSystem(
            endpoint_override=own.get("s3.endpoint"),
            access_key=own.get("s3.access-key-id"),
            secret_key=own.get("s3.secret-access-key"),
            session_token=own.get("s3.session-token"),
            region=own.get("s3.region"),
            connect_timeout=float(own.get("s3.connect-timeout", 5)),
            request_timeout=float(own.get("s3.request-timeout", 30)),
            force_virtual_addressing=own.get("s3.force-virtual-addressing") == "true",
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
            tls_ca_file_path=own.get("lake.s3.ca-file"),
        )
