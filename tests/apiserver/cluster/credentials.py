"""Keys, certificates, tokens and kubeconfigs of one cluster."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ADMIN, CONTROLLERS, SCHEDULER, NODES = (
    "test-admin",
    "test-controller-manager",
    "test-scheduler",
    "test-node-agent",
)


@dataclass(frozen=True)
class Credentials:
    """The files' folder; what is needed as text stands here too."""

    folder: Path
    ca: str
    tokens: dict[str, str]

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def tls_certificate(self) -> Path:
        return self.folder / "server.crt"

    @property
    def tls_key(self) -> Path:
        return self.folder / "server.key"

    @property
    def service_account_key(self) -> Path:
        return self.folder / "service-account.key"

    @property
    def token_file(self) -> Path:
        return self.folder / "tokens.csv"


def make(folder: Path, address: str = "127.0.0.1") -> Credentials:
    """A certificate authority, the certificate of the server at `address`, the accounts' key and
    four tokens."""
    folder.mkdir(parents=True)
    authority_key, authority = _certificate("population-operator-test-ca", None)
    server_key, server = _certificate("kube-apiserver", (authority_key, authority), address)
    accounts_key = ec.generate_private_key(ec.SECP256R1())
    ca = authority.public_bytes(serialization.Encoding.PEM).decode()
    found = Credentials(
        folder, ca, {user: secrets.token_hex(16) for user in (ADMIN, CONTROLLERS, SCHEDULER, NODES)}
    )
    found.ca_file.write_text(ca)
    found.tls_certificate.write_bytes(server.public_bytes(serialization.Encoding.PEM))
    _private(found.tls_key, _pem(server_key))
    _private(found.service_account_key, _pem(accounts_key))
    rows = (f'{token},{user},{user},"system:masters"' for user, token in found.tokens.items())
    _private(found.token_file, "\n".join(rows).encode() + b"\n")
    return found


def kubeconfig(path: Path, server: str, ca: str, token: str, namespace: str = "default") -> Path:
    """Writes a kubeconfig (JSON is YAML) and returns its path."""
    name = "population-operator-test"
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {"server": server, "certificate-authority-data": _encoded(ca)},
            }
        ],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}
        ],
        "current-context": name,
    }
    _private(path, json.dumps(body, indent=1).encode())
    return path


def _encoded(text: str) -> str:

    return base64.b64encode(text.encode()).decode()


def _private(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _certificate(
    name: str,
    issuer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None,
    address: str = "127.0.0.1",
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A certificate for an address, signed by `issuer`; without one, an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[1].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    signer = key
    if issuer is not None:
        signer = issuer[0]
        names: list[x509.GeneralName] = [
            x509.DNSName(one)
            for one in ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
        ]
        names += [x509.IPAddress(ipaddress.ip_address(one)) for one in (address, "10.96.0.1")]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    else:
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    return key, builder.sign(signer, hashes.SHA256())
