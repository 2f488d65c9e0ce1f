"""Founding a consortium, letting nodes in and excluding them: `comitia init`, `join`, `approve`, `revoke`."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from comitia.app.audit import Chronicle
from comitia.core.crypto import SigningKey, can_be_sealed_for, verify
from comitia.core.errors import ConfigurationError, InputError
from comitia.core.ids import NodeId
from comitia.driver.revocations import keep_pending, pending
from comitia.ledger.genesis import (
    MAX_NAME_LENGTH,
    Credential,
    Genesis,
    Membership,
    Parameters,
    Role,
    SignedGenesis,
    SuperNodeEntry,
    revocation_digest,
    sign_as_admin,
)
from comitia.ledger.records import NEVER, Member
from comitia.ledger.transactions import RevokeMember, check_bounds
from comitia.storage.folder import (
    JOIN_REQUEST,
    MEMBERSHIP,
    Approval,
    ConsortiumFolder,
    JoinRequest,
    NodeFolder,
    NodeSettings,
    keep_private,
    write_genesis,
)
from comitia.storage.keys import create_keys, read_secret, read_signing_key, write_secret
from comitia.storage.node import NodeStore
from comitia.storage.toml_file import write_toml
from comitia.transport import certificates
from comitia.transport.endpoint import Endpoint

ORDINARY: Final = frozenset({Role.PROVIDER.value, Role.REQUESTER.value})
"""Roles that give a node no say over others' work."""


def found(
    path: Path,
    *,
    name: str,
    organisation: str,
    endpoint: str,
    parameters: Parameters,
    codebook: bytes = b"",
    created_ms: int = 0,
) -> ConsortiumFolder:
    """Make a consortium: administrator's keys, signed genesis, first super node.

    Parameters
    ----------
    path : Path
        A folder that does not hold a consortium yet.
    name : str
        Of the consortium, for people.
    organisation : str
        Who runs the first super node.
    endpoint : str
        Where it listens, for example ``tls/127.0.0.1:7447``.
    parameters : Parameters
    codebook : bytes
        Digest of the first codebook, or empty.
    created_ms : int
        When epoch 0 began, for a consortium with a past; 0 for now.

    Raises
    ------
    ConfigurationError
        If there is a consortium already; nothing is touched then.
    """
    folder = ConsortiumFolder(path)
    if folder.genesis.exists():
        raise ConfigurationError(
            f"{path} already holds a consortium", code="already-there", hint="choose another folder"
        )
    if folder.admin_key.exists() or folder.super_node.path.exists():
        raise ConfigurationError(
            f"{path} holds keys, and no genesis: they were made for no consortium, or the genesis is lost",
            code="already-there",
            hint="choose another folder, or delete what an interrupted `comitia init` has left there",
        )
    for text in (name, organisation):
        _check_name(text)
    Endpoint.parse(endpoint)
    folder.admin_key.parent.mkdir(parents=True, exist_ok=True)
    keep_private(folder.admin_key.parent)
    admin = SigningKey.generate()
    authority = certificates.create_authority(name, now=_now())
    write_secret(folder.admin_key, admin.to_bytes().hex().encode())
    write_secret(folder.authority_key, authority.private_key)
    folder.authority.write_bytes(authority.certificate)

    roles = (Role.SUPER_NODE.value, Role.WITNESS.value)
    request = request_to_join(folder.super_node, name="super-node", organisation=organisation, roles=roles)
    genesis = Genesis(
        chain_name=name,
        created_ms=created_ms or time.time_ns() // 1_000_000,
        admins=(admin.public,),
        threshold=1,
        super_nodes=(
            SuperNodeEntry(
                organisation=organisation,
                name="super-node",
                signing_key=request.signing_key,
                sealing_key=request.sealing_key,
                endpoint=endpoint,
            ),
        ),
        certificate_authority=certificates.der_from_pem(authority.certificate),
        parameters=parameters,
        codebook=codebook,
    )
    signed = SignedGenesis(genesis=genesis, signatures=(sign_as_admin(admin, genesis.digest),))
    write_genesis(folder.genesis, signed)
    approve(folder, request, folder.super_node.approval)
    return folder


def request_to_join(folder: NodeFolder, *, name: str, organisation: str, roles: tuple[str, ...]) -> JoinRequest:
    """Make a node's keys, if it has none, and the request that an administrator approves.

    Raises
    ------
    InputError
        For a name that is empty or too long.
    ConfigurationError
        `already-there`: the node was admitted, and under another name, organisation or role; nothing is touched then.
    """
    for text in (name, organisation):
        _check_name(text)
    settings = NodeSettings(name=name, organisation=organisation, roles=roles)
    if folder.approval.exists():
        _require_same(folder, settings)
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.keep_private()
    keys = create_keys(folder.keys)
    if not folder.approval.exists():
        write_toml(folder.settings_file, settings, comment="This node. Its keys are in keys/ and stay there.")
    request = JoinRequest(
        name=name,
        organisation=organisation,
        roles=roles,
        signing_key=keys.signing.public,
        sealing_key=keys.sealing.public,
        tls_request=certificates.signing_request(keys.node, keys.tls),
    )
    request = replace(request, proof=keys.signing.sign(request.digest))
    JOIN_REQUEST.write(folder.join_request, request)
    return request


def _require_same(folder: NodeFolder, settings: NodeSettings) -> None:
    """Let an admitted node ask for a new certificate; as anything else the ledger would not know it."""
    there = folder.settings()
    if (there.name, there.organisation, there.roles) != (settings.name, settings.organisation, settings.roles):
        raise ConfigurationError(
            f"{folder.path} is the node {there.name!r} of {there.organisation!r} already, "
            f"admitted as {', '.join(there.roles)}",
            code="already-there",
            hint="a new certificate takes the same name, organisation and roles; another node takes another folder",
        )


def doubts(consortium: ConsortiumFolder, request: JoinRequest) -> tuple[str, ...]:
    """What an administrator should know before admitting a node, by the ledger of the super node, if it is here."""
    if not consortium.super_node.ledger.exists():
        return ()
    found = []
    for member in Chronicle(consortium.super_node.path).members().values():
        who = f"{member.name!r} of {member.organisation!r} ({', '.join(member.roles)})"
        same = (member.name, member.organisation, set(member.roles)) == (
            request.name,
            request.organisation,
            set(request.roles),
        )
        if member.node == request.node and not same:
            found.append(f"this node is on the ledger as {who} and stays so; only its certificate is new")
        elif member.node != request.node and member.name == request.name and member.revoked_from == NEVER:
            found.append(
                f"the name is taken: node {member.node} is {who}. People cannot tell the two apart by name, "
                "and `comitia revoke` needs the id"
            )
    return tuple(found)


def sound_request(file: Path, trusted: Collection[str] = ()) -> JoinRequest:
    """Read a join request that its node wrote so, for roles that an administrator grants.

    Parameters
    ----------
    trusted : collection of str
        Roles besides `ORDINARY` that the administrator means the node to have.

    Raises
    ------
    InputError
        `forged-request`, `bad-key`, `bad-name`: its node did not write the request so; `role-not-granted`.
    """
    request = JOIN_REQUEST.read(file)
    _require_sound(request, file)
    unasked = sorted(set(request.roles) - ORDINARY - set(trusted))
    if unasked:
        raise InputError(
            f"{request.name!r} asks to be {' and '.join(unasked)}, and so to have a say over others' work",
            code="role-not-granted",
            hint=f"if it is meant to, approve it with {' '.join(f'--role {role}' for role in unasked)}",
            roles=unasked,
        )
    return request


def approve(consortium: ConsortiumFolder, request: JoinRequest, target: Path) -> Path:
    """Admit a node: sign its membership and its TLS certificate. Needs the administrator's keys.

    Parameters
    ----------
    request : JoinRequest
        As `sound_request` read it.
    target : Path
        Where the approval goes; returned.
    """
    signed = consortium.load_genesis()
    listens = Role.SUPER_NODE.value in request.roles
    credential = Credential(
        chain=signed.genesis.chain,
        organisation=request.organisation,
        name=request.name,
        roles=request.roles,
        signing_key=request.signing_key,
        sealing_key=request.sealing_key,
        issued_ms=time.time_ns() // 1_000_000,
    )
    admin = read_signing_key(consortium.admin_key)
    membership = Membership(credential=credential, signatures=(sign_as_admin(admin, credential.digest),))
    membership.verify(signed.genesis)
    authority = certificates.Authority(
        certificate=consortium.authority.read_bytes(), private_key=read_secret(consortium.authority_key)
    )
    hosts = {Endpoint.parse(entry.endpoint).host for entry in signed.genesis.super_nodes} if listens else set()
    certificate = certificates.issue(
        authority,
        request.tls_request,
        request.node,
        now=_now(),
        hostnames=tuple(sorted(hosts)),
        listens=listens,
    )
    approval = Approval(genesis=signed, membership=membership, certificate=certificate)
    MEMBERSHIP.write(target, approval)
    return target


def _require_sound(request: JoinRequest, file: Path) -> None:
    """Refuse what `request_to_join` did not write, or not for this node."""
    for text in (request.name, request.organisation):
        _check_name(text)
    if not verify(request.signing_key, request.digest, request.proof):
        raise InputError(
            f"the node that {file} names has not signed it",
            code="forged-request",
            hint="ask for the request again by another way; nodes made by an older version join anew",
            node=request.node,
        )
    if not can_be_sealed_for(request.sealing_key):
        raise InputError(
            f"nothing can be sealed for the sealing key in {file}",
            code="bad-key",
            hint="have the node joined anew with `comitia join`, in another folder",
        )


def revoke(consortium: ConsortiumFolder, who: str, reason: str) -> tuple[Member, int]:
    """Sign a member's revocation, and leave it to the super node, which brings it to the ledger, now or when it starts.

    Parameters
    ----------
    consortium : ConsortiumFolder
        With the administrator's keys, and the super node's folder.
    who : str
        Node id or name.
    reason : str
        For all to read.

    Returns
    -------
    Member
        Who it is.
    int
        When the next epoch begins, ms since 1970, UTC: from then on it is no member, if the ledger has it by then.

    Raises
    ------
    InputError
        No member, or several, are called so; or it is the super node, without which there is no ledger.
    ConfigurationError
        It is revoked already.
    """
    genesis = consortium.load_genesis().genesis
    member = _member_called(Chronicle(consortium.super_node.path).members(), who)
    if any(entry.node == member.node for entry in genesis.super_nodes):
        raise InputError(f"{who} orders the ledger: without it nothing could be revoked", code="is-super-node")
    if member.revoked_from != NEVER:
        raise ConfigurationError(f"{who} is revoked already", code="already-there")
    admin = read_signing_key(consortium.admin_key)
    signature = sign_as_admin(admin, revocation_digest(genesis.chain, member.node, reason))
    body = RevokeMember(node=member.node, reason=reason, signatures=(signature,))
    check_bounds(body)
    store = NodeStore(consortium.super_node.store)
    try:
        others = tuple(waiting for waiting in pending(store) if waiting.node != member.node)
        keep_pending(store, (*others, body))
    finally:
        store.close()
    epoch_ms = genesis.parameters.epoch_ms
    return member, genesis.created_ms + (genesis.epoch_at(time.time_ns() // 1_000_000) + 1) * epoch_ms


def _member_called(members: Mapping[NodeId, Member], who: str) -> Member:
    found = [member for node, member in members.items() if who in (node, member.name)]
    if len(found) == 1:
        return found[0]
    if found:
        nodes = ", ".join(member.node for member in found)
        raise InputError(f"{len(found)} members are called {who!r}", code="ambiguous-member", hint=f"name one: {nodes}")
    names = ", ".join(sorted({member.name for member in members.values()}))
    raise InputError(f"no member is called {who!r}", code="unknown-member", hint=f"members: {names}")


def _check_name(text: str) -> None:
    if not 0 < len(text) <= MAX_NAME_LENGTH or not text.isprintable():
        raise InputError(f"a name has 1 to {MAX_NAME_LENGTH} printable characters, {text!r} has not", code="bad-name")


def _now() -> datetime:
    return datetime.now(UTC)
