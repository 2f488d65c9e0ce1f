"""Signing (Ed25519) and sealing (X25519, HPKE base mode). One key, one use.

The paper writes E(SK_i(t_m), PK_i): signed by the sender and encrypted to the sender, who alone could
read it. Here a message is signed by its sender inside and sealed to its recipient outside.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from comitia.core.errors import ProtocolError

SIGNATURE_BYTES = 64
VERIFYING_KEY_BYTES = 32
SEALING_KEY_BYTES = 32

LONGEST_REMEMBERED = 8 << 10
"""Longest message, bytes, of which it is remembered whether a signature holds."""
MOST_REMEMBERED = 1 << 12
"""How many answers are remembered; after so many all are forgotten."""
_FIELD = 2**255 - 19
_SMALL_ORDER = frozenset(
    {
        0,
        1,
        _FIELD - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)
"""Coordinates of the points of Curve25519, and of its twist, whose order divides 8: whatever secret they meet, what is
agreed on is 0 (RFC 7748, section 6.1)."""

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class SigningKey:
    """An Ed25519 key that signs transactions, blocks and messages."""

    __slots__ = ("_key", "public")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> SigningKey:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, secret: bytes) -> SigningKey:
        return cls(Ed25519PrivateKey.from_private_bytes(secret))

    def to_bytes(self) -> bytes:
        """The secret, 32 bytes."""
        return self._key.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`, 64 bytes. That it holds is remembered: a ledger asks its author too."""
        signature = self._key.sign(message)
        if len(message) <= LONGEST_REMEMBERED:
            _remember((self.public, message, signature), holds=True)
        return signature


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` over `message` was made by the owner of `public`.

    The last answers on short messages are remembered: a ledger asks again when it applies what it has checked.
    """
    if len(public) != VERIFYING_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    if len(message) > LONGEST_REMEMBERED:
        return _verify(public, message, signature)
    asked = (public, message, signature)
    holds = _remembered.get(asked)
    if holds is None:
        holds = _verify(*asked)
        _remember(asked, holds=holds)
    return holds


_remembered: Final[dict[tuple[bytes, bytes, bytes], bool]] = {}


def _remember(asked: tuple[bytes, bytes, bytes], *, holds: bool) -> None:
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.clear()
    _remembered[asked] = holds


def forget_signatures() -> None:
    """Remember no answers: another node's work in this process is to cost what it costs elsewhere."""
    _remembered.clear()


def _verify(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class SealingKey:
    """An X25519 key that opens what others sealed for its owner."""

    __slots__ = ("_key", "public")

    def __init__(self, key: X25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> SealingKey:
        return cls(X25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, secret: bytes) -> SealingKey:
        return cls(X25519PrivateKey.from_private_bytes(secret))

    def to_bytes(self) -> bytes:
        """The secret, 32 bytes."""
        return self._key.private_bytes_raw()

    def open(self, sealed: bytes, *, info: bytes) -> bytes:
        """Undo `seal`.

        Raises
        ------
        ProtocolError
            If it was not sealed for this key, with this `info`, or was altered.
        """
        try:
            return _SUITE.decrypt(sealed, self._key, info=info)
        except (InvalidTag, ValueError) as error:
            raise ProtocolError("a sealed message does not open", code="not-for-me") from error


def can_be_sealed_for(key: bytes) -> bool:
    """Whether 32 bytes are an X25519 key for which something can be sealed; a function of the bytes alone."""
    coordinate = int.from_bytes(key, "little") & (2**255 - 1)  # the highest bit is ignored by everyone
    return len(key) == SEALING_KEY_BYTES and coordinate % _FIELD not in _SMALL_ORDER


def seal(public: bytes, plaintext: bytes, *, info: bytes) -> bytes:
    """Encrypt `plaintext` so that only the owner of the X25519 key `public` reads it.

    `info` binds the ciphertext to its context (chain, session, stage, sender, recipient).

    Raises
    ------
    ProtocolError
        Code ``bad-key``: nothing can be sealed for this key, for instance 32 zero bytes.
    """
    try:
        return _SUITE.encrypt(plaintext, X25519PublicKey.from_public_bytes(public), info=info)
    except ValueError as error:
        raise ProtocolError("nothing can be sealed for this key", code="bad-key") from error
