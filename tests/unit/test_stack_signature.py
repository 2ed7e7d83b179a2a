"""Our few lines of Signature Version 4 against Amazon's own signer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lake.stack.signature import sign

NOW = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize("method", ["HEAD", "PUT"])
@pytest.mark.parametrize("path", ["/", "/files", "/files/probe/ready"])
@pytest.mark.parametrize("body", [b"", b"ready\n"])
def test_the_signature_is_the_one_that_amazon_computes(method, path, body):
    """Same request, same time, same key: the same Authorization header."""
    url = f"http://127.0.0.1:8333{path}"
    ours = sign(method, url, body=body, access_key="lakeA", secret_key="s3cr3t", region="us-east-1", now=NOW)
    request = AWSRequest(method=method, url=url, data=body)
    with time_machine.travel(NOW, tick=False):
        S3SigV4Auth(Credentials("lakeA", "s3cr3t"), "s3", "us-east-1").add_auth(request)

    assert ours["authorization"] == request.headers["Authorization"]


def test_another_secret_gives_another_signature():
    """The comparison above can fail."""
    common = {"body": b"", "access_key": "lakeA", "region": "us-east-1", "now": NOW}

    assert sign("GET", "http://h/b", secret_key="a", **common) != sign(
        "GET", "http://h/b", secret_key="b", **common
    )
