"""X.509 certificates of a consortium: its authority, one certificate per node, and what can be wrong with them.

A consortium has one certificate authority, whose certificate is in the genesis file. Every node makes a P-256 key for
TLS alone and asks for a certificate with a signing request, so that the private key never leaves the node. The
certificate's common name is the node's id: that is the name the router's access rules are written in.

Everything here is bytes in, bytes out (PEM unless said otherwise); reading and protecting files is storage's job. The
time is an argument, so that expiry can be tested.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from comitia.core.errors import ConfigurationError, InputError
from comitia.core.ids import NodeId

AUTHORITY_DAYS = 3650
NODE_DAYS = 825
CLOCK_SKEW = timedelta(minutes=5)
MAX_COMMON_NAME = 64
_AUTHORITY = " authority"
LOCAL_HOSTNAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A consortium's certificate authority.

    Attributes
    ----------
    certificate : bytes
        Self-signed CA certificate, PEM.
    private_key : bytes
        P-256 key that signs nodes' certificates, PEM (PKCS #8, unencrypted). Whoever holds it admits nodes to the
        transport, never to the ledger: membership there takes the admins' signatures.
    """

    certificate: bytes
    private_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsIdentity:
    """What one node needs to take part in mutual TLS.

    Attributes
    ----------
    node : NodeId
        The node, and the common name of its certificate.
    certificate : bytes
        The node's certificate, PEM.
    private_key : bytes
        The node's P-256 key for TLS, PEM (PKCS #8, unencrypted).
    authority : bytes
        The consortium's CA certificate, PEM.
    """

    node: NodeId
    certificate: bytes
    private_key: bytes = field(repr=False)
    authority: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSummary:
    """What a person wants to know of a certificate.

    Attributes
    ----------
    name : str
        Common name: a node id, or the authority's name.
    issuer : str
        Common name of the issuer.
    hostnames : tuple of str
        DNS names and addresses that it is valid for; empty for a node that only dials out.
    not_before, not_after : datetime
        Validity, UTC.
    """

    name: str
    issuer: str
    hostnames: tuple[str, ...]
    not_before: datetime
    not_after: datetime

    def days_left(self, now: datetime) -> int:
        """Whole days until expiry; negative once expired."""
        return (self.not_after - now) // timedelta(days=1)


def create_authority(consortium: str, *, now: datetime, days: int = AUTHORITY_DAYS) -> Authority:
    """Make a new authority for the consortium of the given name, valid for `days` from `now` (UTC)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"{consortium[: MAX_COMMON_NAME - len(_AUTHORITY)]}{_AUTHORITY}")
    certificate = (
        _builder(name, name, key.public_key(), now, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(certificate_authority=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate=_pem(certificate), private_key=_key_pem(key))


def generate_private_key() -> bytes:
    """Make a node's P-256 key for TLS, PEM."""
    return _key_pem(ec.generate_private_key(ec.SECP256R1()))


def signing_request(node: NodeId, private_key: bytes) -> bytes:
    """Ask for a certificate for `node`: a PEM signing request, which also proves that the key is held."""
    key = _load_key(private_key)
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_name(node))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def issue(
    authority: Authority,
    request: bytes,
    node: NodeId,
    *,
    now: datetime,
    hostnames: tuple[str, ...] = (),
    listens: bool = False,
    days: int = NODE_DAYS,
) -> bytes:
    """Answer a signing request with a certificate for `node`, PEM.

    Parameters
    ----------
    authority : Authority
        Who signs.
    request : bytes
        The node's signing request, PEM.
    node : NodeId
        The node that was approved; the request must name the same one.
    now : datetime
        Start of validity, UTC. Backdated by a few minutes for clocks that are behind.
    hostnames : tuple of str
        Names and addresses at which a super node is reached, besides this machine's own.
    listens : bool
        Whether the node is a super node: only these may act as TLS servers.
    days : int
        Validity in days.

    Raises
    ------
    InputError
        `bad-certificate-request`: unreadable, not signed by its own key, or made for another node.
    """
    try:
        parsed = x509.load_pem_x509_csr(request)
    except ValueError as error:
        raise InputError(
            "The certificate signing request cannot be read.",
            code="bad-certificate-request",
            hint="Send the join request again as the node wrote it.",
        ) from error
    if not parsed.is_signature_valid or _common_name(parsed.subject) != node:
        raise InputError(
            f"The certificate signing request is not one that node {node} made.",
            code="bad-certificate-request",
            hint="Approve the join request exactly as the node wrote it.",
            node=node,
        )
    public_key = parsed.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise InputError(
            "The certificate signing request is not for a P-256 key.", code="bad-certificate-request", node=node
        )
    return _issue(authority, public_key, node, now=now, hostnames=hostnames, listens=listens, days=days)


def _issue(
    authority: Authority,
    public_key: ec.EllipticCurvePublicKey,
    node: NodeId,
    *,
    now: datetime,
    hostnames: tuple[str, ...],
    listens: bool,
    days: int,
) -> bytes:
    issuer = _load_certificate(authority.certificate)
    issuer_key = _load_key(authority.private_key)
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH] + ([ExtendedKeyUsageOID.SERVER_AUTH] if listens else [])
    builder = (
        _builder(_name(node), issuer.subject, public_key, now, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(certificate_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if listens:
        names = [_general_name(hostname) for hostname in dict.fromkeys((*LOCAL_HOSTNAMES, *hostnames))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _pem(builder.sign(issuer_key, hashes.SHA256()))


def summarise(certificate: bytes) -> CertificateSummary:
    """Read the facts of a PEM certificate; ConfigurationError `bad-certificate` if it cannot be read."""
    parsed = _load_certificate(certificate)
    return CertificateSummary(
        name=_common_name(parsed.subject),
        issuer=_common_name(parsed.issuer),
        hostnames=_hostnames(parsed),
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
    )


def check_identity(identity: TlsIdentity, *, now: datetime) -> CertificateSummary:
    """Check everything that a peer would check of this node's certificate, and say what is wrong.

    1. certificate, key and authority can be read;
    2. the certificate names this node;
    3. it was signed by the consortium's authority;
    4. the key belongs to it;
    5. both it and the authority's are valid now.

    Raises
    ------
    ConfigurationError
        `bad-certificate` (1), `wrong-certificate` (2, 4), `foreign-certificate` (3), `expired-certificate` or
        `certificate-not-yet-valid` (5).
    """
    certificate = _load_certificate(identity.certificate)  # 1
    authority = _load_certificate(identity.authority)
    key = _load_key(identity.private_key)
    name = _common_name(certificate.subject)
    if name != identity.node:  # 2
        raise ConfigurationError(
            f"The TLS certificate is for node {name}, but this is node {identity.node}.",
            code="wrong-certificate",
            hint="Put back the certificate that was issued to this node, or ask an admin for a new one.",
            node=identity.node,
            certificate_node=name,
        )
    _check_issuer(certificate, authority)  # 3
    if certificate.public_key() != key.public_key():  # 4
        raise ConfigurationError(
            "The TLS private key does not belong to the TLS certificate.",
            code="wrong-certificate",
            hint="Put back the key that the certificate was asked for with, or ask an admin for a new certificate.",
            node=identity.node,
        )
    _check_dates(certificate, f"The TLS certificate of node {identity.node}", now)  # 5
    _check_dates(authority, "The certificate of the consortium's authority", now)
    return summarise(identity.certificate)


def der_from_pem(certificate: bytes) -> bytes:
    """A PEM certificate as DER, the form that the genesis file holds."""
    return _load_certificate(certificate).public_bytes(serialization.Encoding.DER)


def pem_from_der(certificate: bytes) -> bytes:
    """A DER certificate as PEM; ConfigurationError `bad-certificate` if it cannot be read."""
    try:
        return _pem(x509.load_der_x509_certificate(certificate))
    except ValueError as error:
        raise _unreadable("certificate") from error


def _check_issuer(certificate: x509.Certificate, authority: x509.Certificate) -> None:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise ConfigurationError(
            "The TLS certificate was not issued by this consortium's authority.",
            code="foreign-certificate",
            hint="Use the certificate that came with this consortium's approval, and its own genesis file.",
            issuer=_common_name(certificate.issuer),
            authority=_common_name(authority.subject),
        ) from error


def _check_dates(certificate: x509.Certificate, whose: str, now: datetime) -> None:
    if now > certificate.not_valid_after_utc:
        raise ConfigurationError(
            f"{whose} expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC.",
            code="expired-certificate",
            hint="Ask an admin to issue a new certificate, and check this machine's clock.",
            not_after=certificate.not_valid_after_utc.isoformat(),
        )
    if now < certificate.not_valid_before_utc:
        raise ConfigurationError(
            f"{whose} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC.",
            code="certificate-not-yet-valid",
            hint="Check this machine's clock.",
            not_before=certificate.not_valid_before_utc.isoformat(),
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, certificate_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificate_authority,
        key_cert_sign=certificate_authority,
        crl_sign=certificate_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(hostname: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(hostname))
    except ValueError:
        return x509.DNSName(hostname)


def _hostnames(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in names)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _common_name(name: x509.Name) -> str:
    attributes = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(attributes[0].value) if len(attributes) == 1 else ""


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load_certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise _unreadable("certificate") from error


def _load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise _unreadable("private key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _unreadable("private key")
    return key


def _unreadable(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The TLS {what} cannot be read.",
        code="bad-certificate",
        hint="Restore the node's directory from a backup, or join again.",
    )
