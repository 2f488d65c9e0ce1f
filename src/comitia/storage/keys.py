"""A node's own keys: made here, kept in files that only their owner reads, sent nowhere."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from comitia.core.crypto import SealingKey, SigningKey
from comitia.core.errors import ConfigurationError
from comitia.core.ids import NodeId, node_id

SIGNING, SEALING, TLS = "signing.key", "sealing.key", "tls.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKeys:
    """One node's private keys, each for one use.

    signing : Ed25519, for the ledger.
    sealing : X25519, to read what is sealed for this node.
    tls : P-256 private key as PEM, for the transport.
    """

    signing: SigningKey
    sealing: SealingKey
    tls: bytes

    @property
    def node(self) -> NodeId:
        return node_id(self.signing.public)


def create_keys(folder: Path) -> NodeKeys:
    """Make a node's keys and store them; keys that are there already are kept.

    Raises
    ------
    ConfigurationError
        If only some of the keys are there.
    """
    present = [name for name in (SIGNING, SEALING, TLS) if (folder / name).exists()]
    if len(present) == 3:
        return load_keys(folder)
    if present:
        raise ConfigurationError(
            f"{folder} holds only {', '.join(present)}",
            code="keys-incomplete",
            hint="restore the missing key files from a backup, or join anew in an empty folder",
        )
    folder.mkdir(parents=True, exist_ok=True)
    tls = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    keys = NodeKeys(signing=SigningKey.generate(), sealing=SealingKey.generate(), tls=tls)
    write_secret(folder / SIGNING, keys.signing.to_bytes().hex().encode())
    write_secret(folder / SEALING, keys.sealing.to_bytes().hex().encode())
    write_secret(folder / TLS, keys.tls)
    return keys


def load_keys(folder: Path) -> NodeKeys:
    """Read a node's keys; errors as `read_secret`."""
    return NodeKeys(
        signing=read_signing_key(folder / SIGNING),
        sealing=SealingKey.from_bytes(_from_hex(folder / SEALING)),
        tls=read_secret(folder / TLS),
    )


def read_signing_key(path: Path) -> SigningKey:
    """Read one Ed25519 key; errors as `read_secret`."""
    return SigningKey.from_bytes(_from_hex(path))


def write_secret(path: Path, secret: bytes) -> None:
    """Write a secret so that no other user of the machine can ever read it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)


def read_secret(path: Path) -> bytes:
    """Read a secret.

    Raises
    ------
    ConfigurationError
        If it is missing, cannot be read, or other users may read it (where the system has such modes).
    """
    try:
        mode = path.stat().st_mode
        if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError(
                f"other users of this machine can read the key {path}",
                code="key-readable-by-others",
                hint=f"chmod 600 {path}; if others may have read it, join again with new keys",
                path=str(path),
            )
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the key {path} cannot be read: {error.strerror}",
            code="key-missing",
            hint="restore it from a backup; a node that has lost its keys joins anew, in another folder"
            if isinstance(error, FileNotFoundError)
            else "run the node as the user who owns its folder",
            path=str(path),
        ) from error


def _from_hex(path: Path) -> bytes:
    try:
        secret = bytes.fromhex(read_secret(path).decode("ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise ConfigurationError(
            f"{path} is not a key: 64 hexadecimal characters were expected",
            code="key-damaged",
            hint="restore it from a backup",
            path=str(path),
        )
    return secret
