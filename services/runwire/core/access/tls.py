"""TLS of the servers: certificates that may be replaced while they serve, and the authority of clients' ones."""

from __future__ import annotations

from pathlib import Path

import grpc
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from runwire.core.access.rereading import Reread
from runwire.core.settings import Settings


def server_credentials(settings: Settings) -> grpc.ServerCredentials:
    """Credentials for a port. Each new connection gets the files' certificate of that moment. Raises AccessError.

    With a client authority, connections without a certificate of it are refused.
    """
    paths = [Path(settings.tls_certificate), Path(settings.tls_key)]
    if settings.tls_client_ca:
        paths.append(Path(settings.tls_client_ca))
    files = Reread(_configuration, *paths)
    given = files.value()

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given
        before, given = given, files.value()
        return None if given is before else given

    # The type stubs leave out that None says "as before".
    return grpc.dynamic_ssl_server_credentials(given, changed, bool(settings.tls_client_ca))  # type: ignore[arg-type]


def _configuration(
    certificate: bytes, key: bytes, client_ca: bytes | None = None
) -> grpc.ServerCertificateConfiguration:
    """gRPC would take a certificate and a key that do not fit together, and then fail every connection."""
    try:
        is_pair = (
            load_pem_x509_certificates(certificate)[0].public_key() == load_pem_private_key(key, None).public_key()
        )
        if client_ca is not None:
            load_pem_x509_certificates(client_ca)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("one of them is not PEM, or the key has a password") from None
    if not is_pair:
        raise ValueError("the key is not that of the certificate")
    return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca)
