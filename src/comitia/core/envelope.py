"""The one signed form: COSE_Sign1 (RFC 9052) over deterministic CBOR.

The protected header names chain, epoch, session, stage and type, and all of it is signed, so no
signature is valid outside the place that it was made for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from comitia.core.codec import DEFAULT_LIMIT, Plain, decode, decode_plain, digest, encode
from comitia.core.crypto import SIGNATURE_BYTES, SigningKey, verify
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId, key_id

VERSION = 1
_EDDSA = -8


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What an envelope is, and where it belongs.

    version : format version, 1.
    chain : the ledger, 16 hexadecimal characters of its genesis digest.
    epoch : the epoch in which the sender's key and membership are judged.
    session : session id, or empty outside sessions.
    stage : stage of the session, or empty.
    sender : who signed.
    key_id : which of the sender's keys signed, 8 bytes.
    type : name of the payload's type.
    audience : the only node that it is meant for, or empty for everyone.
    """

    version: int
    chain: str
    epoch: int
    session: bytes
    stage: str
    sender: NodeId
    key_id: bytes
    type: str
    audience: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Protected:
    """COSE's protected header: the algorithm (EdDSA), and ours under our name."""

    alg: int
    comitia: Header


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A signed payload.

    header : the protected header.
    payload : canonical bytes of the type that the header names.
    signature : Ed25519, 64 bytes, by the key that the header names.
    """

    header: Header
    payload: bytes
    signature: bytes

    @classmethod
    def sign(cls, header: Header, payload: bytes, key: SigningKey) -> Envelope:
        """Sign `payload` under `header`; the header must name `key`."""
        if header.key_id != key_id(key.public):
            raise ValueError("the header names another key")
        unsigned = cls(header=header, payload=payload, signature=b"")
        return cls(header=header, payload=payload, signature=key.sign(unsigned._signed_bytes))

    def to_bytes(self) -> bytes:
        return encode([self._protected, {}, self.payload, self.signature])

    @classmethod
    def from_bytes(cls, data: bytes, *, limit: int = DEFAULT_LIMIT) -> Envelope:
        """Read an envelope; its signature is not judged here.

        Raises
        ------
        ProtocolError
            If the bytes are too many, malformed, not canonical or of another version.
        """
        protected, payload, signature = _parts(decode_plain(data, limit=limit))
        outer = decode(_Protected, protected, limit=limit)
        if outer.alg != _EDDSA:
            raise ProtocolError(f"algorithm {outer.alg} of the envelope is not known, {_EDDSA} is", code="malformed")
        header = outer.comitia
        if header.version != VERSION:
            raise ProtocolError(
                f"version {header.version} of the envelope is not known, {VERSION} is", code="unknown-version"
            )
        envelope = cls(header=header, payload=payload, signature=signature)
        envelope.__dict__["_protected"] = protected  # canonical: encoding the header again would give these bytes
        return envelope

    def verify(self, public: bytes) -> None:
        """Check the signature against the sender's public key.

        Raises
        ------
        ProtocolError
            Code ``bad-signature``.
        """
        named = self.header.key_id == key_id(public)
        if not named or not verify(public, self._signed_bytes, self.signature):
            raise ProtocolError(
                f"the signature of {self.header.sender} on a {self.header.type} is not valid",
                code="bad-signature",
                sender=self.header.sender,
            )

    @cached_property
    def digest(self) -> bytes:
        """Digest of what was signed: the same whatever signature stands under it."""
        return digest(self._signed_bytes)

    @cached_property
    def _protected(self) -> bytes:
        return encode(_Protected(alg=_EDDSA, comitia=self.header))

    @cached_property
    def _signed_bytes(self) -> bytes:
        return encode(["Signature1", self._protected, b"", self.payload])


def _parts(value: Plain) -> tuple[bytes, bytes, bytes]:
    if isinstance(value, list) and len(value) == 4:
        protected, unprotected, payload, signature = value
        if unprotected == {} and all(isinstance(part, bytes) for part in (protected, payload, signature)):
            if len(signature) != SIGNATURE_BYTES:
                raise ProtocolError("a signature has 64 bytes", code="malformed")
            return protected, payload, signature
    raise ProtocolError("not a signed envelope", code="malformed")
