"""The table of everything that reads bytes from outside, and the one judgement that holds for all of it.

A decoder either returns a value, whose own bytes are the ones that were read, or raises a `ComitiaError`. It raises
nothing else, and takes no more than a second.
"""

from __future__ import annotations

import tempfile
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import samples
from world import genesis, key, node

from comitia.app.codebooks import read_categories
from comitia.core.codec import decode, decode_plain, digest, encode
from comitia.core.crypto import SealingKey
from comitia.core.envelope import Envelope
from comitia.core.errors import ComitiaError
from comitia.engines.embedded import EmbeddedEngine
from comitia.learning.global_model import GlobalModel
from comitia.learning.kept_back import KeptBack, kept_back_bytes, parse_kept_back
from comitia.learning.local_model import LocalModel
from comitia.learning.prototype import Prototype
from comitia.learning.wire import parse_release, release_bytes
from comitia.ledger.block import Block
from comitia.ledger.fork import ForkProof, verify_fork
from comitia.ledger.genesis import SignedGenesis
from comitia.ledger.proof import Proof, verify_proof
from comitia.ledger.transactions import Transaction, parse
from comitia.privacy.receipt import digest_of
from comitia.privacy.released import Released
from comitia.roles.memory import Memory
from comitia.roles.messages import TYPES, Message, Packet, PublicKeys, unpack
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import GENESIS_FORMAT, JOIN_REQUEST, GenesisFile, NodeSettings
from comitia.storage.model_file import read_model
from comitia.storage.node import NodeStore
from comitia.storage.toml_file import read_toml
from comitia.text.categories import Category
from comitia.text.codebook import Codebook
from comitia.text.codebook_format import FORMAT, VERSION

SLOWEST_S: Final = 1.0
"""Most CPU time that a decoder may take for one input."""

_KINDS: Final = tuple(sorted(TYPES))
_SEALING: Final = SealingKey.from_bytes(digest(b"sealing"))
_GENESIS: Final = genesis()
_SENDER, _READER, _ORDERER = node("a"), node("b"), key("super")
_SENDERS_KEYS: Final = PublicKeys(signing=key("a").public, sealing=_SEALING.public)
_FOLDER: Final = tempfile.TemporaryDirectory()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """One reader of bytes.

    Attributes
    ----------
    read : from bytes to a value; refuses with a `ComitiaError`.
    write : from the value to bytes. For canonical forms these are the bytes that were read; for a file that people
        write they are read back as the same value.
    samples : good inputs.
    canonical : whether there is one form only.
    dress : puts an input where random bytes would never get, behind a right checksum for instance.
    """

    read: Callable[[bytes], Any]
    write: Callable[[Any], bytes]
    samples: Callable[[], tuple[bytes, ...]]
    canonical: bool = True
    dress: Callable[[bytes], bytes] = bytes

    def judge(self, data: bytes) -> bool:
        """Whether the input is taken; fails if what must hold does not."""
        data = self.dress(data)
        start = time.process_time()
        try:
            value = self.read(data)
        except ComitiaError:
            return False
        finally:
            assert time.process_time() - start < SLOWEST_S, "the decoder takes too long"
        written = self.write(value)
        if self.canonical:
            assert written == data, "encoding what was decoded gives other bytes"
        else:
            assert self.read(written) == value, "reading what was written gives another value"
        return True


def _write_transaction(value: tuple[Envelope, Transaction]) -> bytes:
    envelope, body = value
    assert encode(body) == envelope.payload
    return envelope.to_bytes()


def _read_message(data: bytes) -> Message:
    """The first byte says which type is expected; in an envelope its header does."""
    kind = _KINDS[data[0] % len(_KINDS)] if data else _KINDS[0]
    return decode(TYPES[kind], data[1:])


def _write_message(value: Message) -> bytes:
    return bytes([_kind_of(value)]) + encode(value)


def _kind_of(value: Message) -> int:
    return next(index for index, kind in enumerate(_KINDS) if TYPES[kind] is type(value))


def _one_byte_kind(data: bytes) -> bytes:
    return bytes([data[0] % len(_KINDS)]) + data[1:] if data else bytes(1)


def _read_packet(data: bytes) -> Packet:
    """Open it as node "b" does; only what can be opened has to be written the same."""
    unpack(
        data,
        chain=_GENESIS.chain,
        me=_READER,
        sealing=_SEALING,
        keys_of=lambda sender: _SENDERS_KEYS if sender == _SENDER else None,
    )
    return decode(Packet, data)


def _read_release(data: bytes) -> Released[LocalModel]:
    book = samples.consortium().codebook
    return parse_release(data, learner=Prototype(), codebook=book, allow_seeded=True)


def _read_references(data: bytes) -> KeptBack:
    return parse_kept_back(data, samples.consortium().codebook)


def _write_references(value: KeptBack) -> bytes:
    return kept_back_bytes(samples.consortium().codebook, value)


def _stamp_receipt(data: bytes) -> bytes:
    """Let the receipt be that of the values beside it, where there are as many as the codebook asks for."""
    try:
        record = decode_plain(data)
        receipt = decode_plain(record["receipt"])
        shape = Prototype().shape(samples.consortium().codebook)
        width, values = record["width"], record["values"]
        numbers = [
            int.from_bytes(values[at : at + width], "little", signed=True) for at in range(0, len(values), width)
        ]
        receipt["digest"] = digest_of(np.array(numbers, dtype=np.int64).reshape(shape))
        return encode({**record, "receipt": encode(receipt)})
    except (ComitiaError, TypeError, KeyError, ValueError, OverflowError, AttributeError):
        return data


def _read_model(data: bytes) -> GlobalModel:
    return GlobalModel.from_bytes(data, samples.consortium().codebook)


def _codebook_around(content: bytes) -> bytes:
    return encode({"format": FORMAT, "version": VERSION, "content": content, "sha256": digest(content)})


def _codebook_contents() -> tuple[bytes, ...]:
    return (bytes(decode_plain(samples.consortium().codebook.to_bytes())["content"]),)


def _read_proof(data: bytes) -> Proof:
    proof = Proof.from_bytes(data)
    try:
        verify_proof(proof, _GENESIS, b"model")
    except ComitiaError:
        pass
    return proof


def _read_fork(data: bytes) -> ForkProof:
    proof = ForkProof.from_bytes(data)
    try:
        verify_fork(proof, _GENESIS)
    except ComitiaError:
        pass
    return proof


def _from_file(name: str, read: Callable[[Path], Any]) -> Callable[[bytes], Any]:
    """Read from a file of this name; what an earlier reader left beside its own is gone."""
    folder = Path(_FOLDER.name)
    path = folder / name

    def through(data: bytes) -> Any:
        for left in folder.iterdir():
            left.unlink()
        path.write_bytes(data)
        return read(path)

    return through


def _read_genesis(path: Path) -> GenesisFile:
    file = read_toml(path, GenesisFile, name="genesis", newest=GENESIS_FORMAT)
    try:
        SignedGenesis(genesis=file.genesis, signatures=file.signatures).verify()
    except ComitiaError:
        pass
    return file


def _write_categories(categories: tuple[Category, ...]) -> bytes:
    from tomlkit import dumps

    listed = [{"id": c.label, "name": c.name, "description": c.description} for c in categories]
    text = dumps({"category": listed})
    assert len(tomllib.loads(text)["category"]) == len(categories)
    return text.encode()


@dataclass(frozen=True, slots=True)
class _Database:
    """What a database holds, and the file after it was closed, which is what must be read as the same again."""

    holds: object
    file: bytes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Database) and self.holds == other.holds


def _read_budget(path: Path) -> _Database:
    with BudgetFile(path) as budget:
        book = budget.book
    return _Database((book.entries, BudgetFile.read(path).entries), path.read_bytes())


def _read_store(path: Path) -> _Database:
    store = NodeStore(path)
    try:
        holds = (store.memories(), store.outbox(), store.questions(), store.fact("owner-settings"))
    finally:
        store.close()
    return _Database(holds, path.read_bytes())


def _read_ledger(path: Path) -> _Database:
    engine = EmbeddedEngine.open(path, _GENESIS, signer=_ORDERER)
    try:
        blocks = [engine.block(height + 1).to_bytes() for height in range(engine.height)]
        holds = (blocks, engine.application.state_root)
    finally:
        engine.close()
    return _Database(holds, path.read_bytes())


DECODERS: Final[dict[str, Decoder]] = {
    "envelope": Decoder(read=Envelope.from_bytes, write=Envelope.to_bytes, samples=samples.transactions),
    "transaction": Decoder(read=parse, write=_write_transaction, samples=samples.transactions),
    "message": Decoder(
        read=_read_message,
        write=_write_message,
        samples=lambda: tuple(_write_message(message) for message in samples.messages()),
        dress=_one_byte_kind,
    ),
    "packet": Decoder(read=_read_packet, write=encode, samples=samples.packets),
    "block": Decoder(read=Block.from_bytes, write=Block.to_bytes, samples=samples.blocks),
    "local-model": Decoder(read=_read_release, write=release_bytes, samples=samples.releases, dress=_stamp_receipt),
    "references": Decoder(read=_read_references, write=_write_references, samples=samples.references),
    "global-model": Decoder(read=_read_model, write=GlobalModel.to_bytes, samples=samples.models),
    "codebook": Decoder(
        read=Codebook.from_bytes, write=Codebook.to_bytes, samples=_codebook_contents, dress=_codebook_around
    ),
    "proof": Decoder(read=_read_proof, write=Proof.to_bytes, samples=samples.proofs),
    "fork-proof": Decoder(read=_read_fork, write=ForkProof.to_bytes, samples=lambda: (samples.fork().to_bytes(),)),
    "model-file": Decoder(read=_from_file("m.comitia", read_model), write=encode, samples=samples.model_files),
    "memory": Decoder(read=lambda data: decode(Memory, data), write=encode, samples=samples.memories),
    "genesis": Decoder(
        read=_from_file("genesis.toml", _read_genesis),
        write=samples.as_toml,
        samples=samples.geneses,
        canonical=False,
    ),
    "join-request": Decoder(
        read=_from_file("join-request.comitia", JOIN_REQUEST.read),
        write=samples.as_join_request,
        samples=samples.join_requests,
        canonical=False,
    ),
    "node-settings": Decoder(
        read=_from_file("node.toml", lambda path: read_toml(path, NodeSettings)),
        write=samples.as_toml,
        samples=samples.node_settings,
        canonical=False,
    ),
    "categories": Decoder(
        read=_from_file("categories.toml", lambda path: read_categories(path, ())),
        write=_write_categories,
        samples=samples.categories,
        canonical=False,
    ),
    "budget-file": Decoder(
        read=_from_file("budget.db", _read_budget),
        write=lambda database: database.file,
        samples=samples.budgets,
        canonical=False,
    ),
    "node-file": Decoder(
        read=_from_file("node.db", _read_store),
        write=lambda database: database.file,
        samples=samples.node_stores,
        canonical=False,
    ),
    "ledger-file": Decoder(
        read=_from_file("ledger.db", _read_ledger),
        write=lambda database: database.file,
        samples=samples.ledgers,
        canonical=False,
    ),
}
