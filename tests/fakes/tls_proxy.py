"""A TLS front for servers that speak none: what a production endpoint looks like to a client.

`tls_proxy(port)` ends TLS and passes the bytes on. With `postgres=True` it first answers PostgreSQL's
SSLRequest, which comes in clear, with `S` (PostgreSQL protocol, "SSL Session Encryption").
"""

from __future__ import annotations

import ipaddress
import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
_IDLE_SECONDS = 30
_SSL_REQUEST = struct.pack("!II", 8, 80877103)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """A certificate authority of the test and a server certificate for 127.0.0.1 that it signed."""

    ca_file: Path
    chain: Path
    key: Path
    foreign_ca_file: Path  # signed nothing here


def make_certificates(folder: Path) -> Certificates:
    """Write both authorities and the server's key pair as PEM files."""
    authority_key, authority = _authority("test authority")
    _, foreign = _authority("somebody else")
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _builder(HOST, issuer=authority.subject, key=key)
        .add_extension(names, critical=False)
        .add_extension(signer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    files = Certificates(
        ca_file=folder / "ca.pem",
        chain=folder / "server.pem",
        key=folder / "server.key",
        foreign_ca_file=folder / "foreign.pem",
    )
    files.ca_file.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    files.foreign_ca_file.write_bytes(foreign.public_bytes(serialization.Encoding.PEM))
    files.chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


@dataclass(slots=True, kw_only=True)
class Proxy:
    """A running front: where it listens, and how many clients completed a handshake."""

    server: socket.socket
    target: int
    context: ssl.SSLContext
    postgres: bool
    handshakes: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        port: int = self.server.getsockname()[1]
        return port

    def accept(self) -> None:
        """Serve every client in a thread of its own until stopped."""
        while not self.stopped.is_set():
            with suppress(TimeoutError):
                client, _ = self.server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """End one client's TLS and copy both ways until either side is done."""
        with client, suppress(OSError):  # ssl.SSLError too: a client that refuses our certificate
            client.settimeout(30)
            if self.postgres:
                if client.recv(8) != _SSL_REQUEST:
                    return
                client.sendall(b"S")
            with self.context.wrap_socket(client, server_side=True) as secure:
                self.handshakes += 1
                with socket.create_connection((HOST, self.target)) as upstream:
                    _relay(secure, upstream)


@contextmanager
def tls_proxy(target: int, certificates: Certificates, *, postgres: bool = False) -> Iterator[Proxy]:
    """Listen on a free port of 127.0.0.1 and pass what comes by TLS on to `target`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.chain, certificates.key)
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(0.1)
        proxy = Proxy(server=server, target=target, context=context, postgres=postgres)
        accepting = threading.Thread(target=proxy.accept, daemon=True)
        accepting.start()
        try:
            yield proxy
        finally:
            proxy.stopped.set()
            accepting.join()


def _relay(secure: ssl.SSLSocket, upstream: socket.socket) -> None:
    """Pass bytes both ways until one side ends; by one thread, since two may not share a TLS connection."""
    with suppress(OSError), selectors.DefaultSelector() as waiting:  # select takes no descriptor above 1023
        for side in (secure, upstream):
            waiting.register(side, selectors.EVENT_READ, data=side)
        while True:
            buffered = secure.pending() > 0
            ready = [secure] if buffered else [key.data for key, _ in waiting.select(_IDLE_SECONDS)]
            if not ready:
                return
            for source in ready:
                if not (data := source.recv(65536)):
                    return
                (upstream if source is secure else secure).sendall(data)


def _authority(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(name, issuer=subject, key=key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _builder(name: str, *, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
