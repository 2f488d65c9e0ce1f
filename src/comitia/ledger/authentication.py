"""Whether a transaction is its author's, and made for this place. III.C, Fig. 3."""

from __future__ import annotations

from typing import Final

from comitia.core import crypto
from comitia.core.codec import digest
from comitia.core.envelope import Envelope
from comitia.core.errors import ProtocolError
from comitia.ledger.genesis import Genesis
from comitia.ledger.records import Member
from comitia.ledger.session import Session
from comitia.ledger.transactions import RegisterMember, Transaction, parse

KEPT: Final = 4096
KEPT_BYTES: Final = 16 << 20
"""Of the transactions that are kept as they were read; nobody has looked at their signatures yet."""


class Authentication:
    """Reads transactions and checks signatures; what was read or checked lately is not done again.

    Parameters
    ----------
    genesis : Genesis
        The consortium.
    """

    def __init__(self, genesis: Genesis) -> None:
        self._genesis = genesis
        self._read: dict[bytes, tuple[Envelope, Transaction]] = {}
        self._read_bytes = 0
        self._checked_signatures: dict[tuple[bytes, bytes, bytes], bool] = {}

    def read(self, data: bytes) -> tuple[Envelope, Transaction]:
        """Take the bytes apart, errors as `parse`."""
        key = digest(data)
        known = self._read.get(key)
        if known is not None:
            return known
        read = parse(data)
        self._read[key] = read
        self._read_bytes += len(read[0].payload)
        while len(self._read) > KEPT or self._read_bytes > KEPT_BYTES:
            self._read_bytes -= len(self._read.pop(next(iter(self._read)))[0].payload)
        return read

    def require_author(
        self, envelope: Envelope, body: Transaction, member: Member | None, session: Session | None, time_ms: int
    ) -> None:
        """Refuse a transaction that `member`, its author if admitted, did not make for this place.

        1. It belongs to this chain. 2. Its epoch is its session's; outside sessions it is the block's, or that of
        `request_window_ms` ago, for what was signed just before an epoch ended. 3. Its author is an active member in
        that epoch, and outside sessions also now. 4. It is signed with the author's key of that epoch.
        """
        header = envelope.header
        if header.chain != self._genesis.chain:  # 1
            raise ProtocolError(
                f"a transaction of chain {header.chain[:16]} came to chain {self._genesis.chain}",
                code="foreign-chain",
            )
        now = self._genesis.epoch_at(time_ms)
        lately = self._genesis.epoch_at(time_ms - self._genesis.parameters.request_window_ms)
        if header.epoch not in ((session.epoch,) if session else (now, lately)):  # 2
            raise ProtocolError(f"a transaction of epoch {header.epoch} came in epoch {now}", code="wrong-epoch")
        if member is None and isinstance(body, RegisterMember) and body.membership.node == header.sender:
            public = body.membership.credential.signing_key
        elif member is None:  # 3
            raise ProtocolError(
                f"{header.sender} is no member of this consortium",
                code="unknown-member",
                sender=header.sender,
            )
        elif not member.is_active(header.epoch if session else now):  # 3
            raise ProtocolError(f"{member.name!r} is excluded from the consortium", code="excluded-member")
        else:
            public = member.keys_at(header.epoch).signing
        key = (public, envelope.digest, envelope.signature)
        if not self._checked_signatures.get(key, False):  # 4
            envelope.verify(public)
            self._remember_signature(key)

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Check a signature once; `check` and `apply` of one transaction share the answer."""
        key = (public, message, signature)
        if self._checked_signatures.get(key, False):
            return True
        if not crypto.verify(public, message, signature):
            return False
        self._remember_signature(key)
        return True

    def _remember_signature(self, key: tuple[bytes, bytes, bytes]) -> None:
        if len(self._checked_signatures) >= KEPT:
            self._checked_signatures.pop(next(iter(self._checked_signatures)))
        self._checked_signatures[key] = True
