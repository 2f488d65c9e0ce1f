"""A forked ledger at the command line: what a node keeps of it, a proof in a file, two nodes' ledgers side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from comitia.app.audit import Chronicle
from comitia.core.errors import DamagedError, InputError, ProtocolError
from comitia.driver.histories import FORK_FACT, forked_error, read_fork
from comitia.ledger.block import MAX_BLOCK_BYTES, Block, SignedHeader
from comitia.ledger.fork import ForkProof, contradict, verify_fork
from comitia.ledger.genesis import Genesis
from comitia.storage.folder import NodeFolder
from comitia.storage.node import NodeStore
from comitia.storage.record_file import RecordKind

FORK_PROOF: Final = RecordKind(
    cls=ForkProof, name="proof of a fork", format=2, again="have it written again: `comitia ledger fork NODE -o FILE`"
)
_LENGTH_BYTES: Final = 8


def kept_fork(node: NodeFolder) -> ForkProof | None:
    """The proof that a node keeps; the node may run meanwhile."""
    if not node.store.exists():
        return None
    store = NodeStore(node.store)
    try:
        return read_fork(store)
    finally:
        store.close()


def read_proof(file: Path, genesis: Genesis) -> ForkProof:
    """A proof in a file, once it holds.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, or is none.
    DamagedError
        Code ``proof-invalid``: it shows no fork of this ledger.
    """
    proof = FORK_PROOF.read(file)
    try:
        verify_fork(proof, genesis)
    except ProtocolError as error:
        raise DamagedError(f"the proof does not hold: {error.message}", code="proof-invalid") from error
    return proof


def facts(proof: ForkProof) -> dict[str, Any]:
    """A proof for programs: who signed, and the two blocks."""
    return {
        "height": proof.height,
        "signers": list(proof.signers),
        "blocks": [
            {
                "height": signed.header.height,
                "time_ms": signed.header.time_ms,
                "hash": signed.header.digest.hex(),
                "previous": signed.header.previous.hex(),
            }
            for signed in (proof.lower, proof.higher)
        ],
    }


def hold_against(export: Path, node: NodeFolder, chronicle: Chronicle) -> int:
    """How many blocks of another node's export this node has as well, if all of them are the same.

    Raises
    ------
    InputError
        Code ``no-export``: the file is no export of a ledger.
    DamagedError
        Code ``proof-invalid``: it differs by a block that no super node signed.
    ProtocolError
        Code ``ledger-forked``: a super node signed both; the node keeps the proof, and stands still.
    """
    same = 0
    for own, other in zip(chronicle.blocks(), _exported(export), strict=False):
        mine = Block.from_bytes(own).signed_header
        if contradict(mine.header, other.header):
            raise forked_error(_kept(mine, other, node, chronicle))
        same += 1
    return same


def _kept(mine: SignedHeader, other: SignedHeader, node: NodeFolder, chronicle: Chronicle) -> ForkProof:
    proof = ForkProof.of(mine, other, chronicle.application.member)
    genesis = node.load_approval(node.load_keys().node).genesis.genesis
    try:
        verify_fork(proof, genesis)
    except ProtocolError as error:
        raise DamagedError(f"the export is not of this ledger: {error.message}", code="proof-invalid") from error
    store = NodeStore(node.store)
    try:
        store.note(FORK_FACT, proof.to_bytes())
    finally:
        store.close()
    return proof


def _exported(file: Path) -> Iterator[SignedHeader]:
    """Headers of the blocks that `comitia ledger export` wrote, lowest first."""
    try:
        with file.open("rb") as stream:
            while length := stream.read(_LENGTH_BYTES):
                size = min(int.from_bytes(length, "big"), MAX_BLOCK_BYTES + 1)
                yield Block.from_bytes(stream.read(size)).signed_header
    except (OSError, ProtocolError) as error:
        raise InputError(
            f"{file} cannot be read as the export of a ledger: {error}",
            code="no-export",
            hint="`comitia ledger export NODE -o FILE` writes one",
        ) from error
