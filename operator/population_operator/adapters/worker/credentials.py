"""An experiment's token and TLS key, derived from one master secret.

Nothing needs to be stored or read back: whoever has the master secret derives the same bytes
again. Ed25519 signatures are deterministic, so the certificate to pin is the same byte for byte.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

MASTER_BYTES = 32


@dataclass(frozen=True)
class Credentials:
    """What a worker serves with, and what the operator checks it by.

    `fingerprint` is the SHA-256 of the certificate in DER.
    """

    token: str
    key_pem: bytes
    certificate_pem: bytes
    fingerprint: bytes


def derive(master: bytes, uid: str) -> Credentials:
    """The credentials of the experiment with this uid.

    Raises:
      ValueError: the master secret is too short to keep anything secret.
    """
    if len(master) < MASTER_BYTES:
        raise ValueError(f"the master secret has {len(master)} bytes; it needs {MASTER_BYTES}")
    key = Ed25519PrivateKey.from_private_bytes(_hmac(master, f"tls:{uid}"))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "population-worker")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, None)
    )
    return Credentials(
        token=base64.urlsafe_b64encode(_hmac(master, f"token:{uid}")).decode().rstrip("="),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
        fingerprint=hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest(),
    )


def _hmac(master: bytes, purpose: str) -> bytes:
    return hmac.new(master, purpose.encode(), hashlib.sha256).digest()
