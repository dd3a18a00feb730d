"""An experiment's token and key: derived again, byte for byte, and nobody else's."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from population_operator.adapters.worker.credentials import MASTER_BYTES, derive

MASTER = bytes(range(MASTER_BYTES))


def test_the_same_bytes_again() -> None:
    assert derive(MASTER, "uid-1") == derive(MASTER, "uid-1")


def test_these_bytes_are_for_ever() -> None:
    """An operator of a newer version has to know the workers that an older one started."""
    found = derive(MASTER, "uid-1")
    assert hashlib.sha256(found.certificate_pem).hexdigest()[:16] == "2e5c2f48e838f079"
    assert hashlib.sha256(found.key_pem).hexdigest()[:16] == "6057edfe54ccd028"
    assert found.token == "5HGdDRbDLNvKbZ2SnnR26kiShOLNIMpYg98KB4d6KQI"


@pytest.mark.parametrize(
    ("master", "uid"),
    [(MASTER, "uid-2"), (MASTER[::-1], "uid-1"), (MASTER + b"x", "uid-1"), (MASTER, "uid-1 ")],
)
def test_another_experiment_or_master_shares_nothing(master: bytes, uid: str) -> None:
    one, other = derive(MASTER, "uid-1"), derive(master, uid)
    assert one.token != other.token
    assert one.key_pem != other.key_pem
    assert one.fingerprint != other.fingerprint


def test_token_and_key_are_not_the_same_secret() -> None:
    found = derive(MASTER, "uid-1")
    assert found.token.encode() not in found.key_pem
    assert len(found.token) == 43
    assert found.token.replace("-", "").replace("_", "").isalnum(), "it fits into a header"


def test_the_certificate_is_signed_by_its_key_and_pinned_by_its_bytes() -> None:
    found = derive(MASTER, "uid-1")
    certificate = x509.load_pem_x509_certificate(found.certificate_pem)
    key = serialization.load_pem_private_key(found.key_pem, password=None)
    assert isinstance(key, Ed25519PrivateKey)
    assert certificate.public_key() == key.public_key()
    key.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes)
    der = certificate.public_bytes(serialization.Encoding.DER)
    assert hashlib.sha256(der).digest() == found.fingerprint
    assert certificate.not_valid_before_utc < datetime.now(UTC) < certificate.not_valid_after_utc


@pytest.mark.parametrize("length", [0, 1, MASTER_BYTES - 1])
def test_a_short_master_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"has {length} bytes; it needs {MASTER_BYTES}"):
        derive(bytes(length), "uid-1")
