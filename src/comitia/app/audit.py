"""The ledger as a story: what was sealed, who used whose data, for what, when, at what epsilon."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from comitia.core.counting import counted
from comitia.core.errors import ComitiaError, DamagedError, InputError
from comitia.core.ids import NodeId, SessionId
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.application import Application
from comitia.ledger.genesis import Genesis
from comitia.ledger.records import Member
from comitia.ledger.session import Phase, Session
from comitia.storage.folder import node_folder

COPIES: Final = 3
LEAST_OF_HASH: Final = 8
"""So many digits of a block's hash or a session's id name a block; fewer are its number."""


class Chronicle:
    """A copy of a node's ledger, verified as it is opened.

    Parameters
    ----------
    folder : Path
        The node's folder, or a consortium's for its super node.

    Raises
    ------
    ConfigurationError
        If it is not the folder of an approved node.
    DamagedError
        If the ledger is damaged.
    """

    def __init__(self, folder: Path) -> None:
        node = node_folder(folder)
        node.settings()
        approval = node.load_approval(node.load_keys().node)
        if not node.ledger.exists():
            raise InputError(
                f"there is no ledger in {node.path} yet",
                code="no-ledger",
                hint="start the node once; a requester gets it with its first `comitia request` or `comitia find`",
            )
        self._application, self._blocks = _read_copy(node.ledger, approval.genesis.genesis)

    @property
    def application(self) -> Application:
        """The ledger's state; to be read only."""
        return self._application

    @property
    def height(self) -> int:
        return len(self._blocks)

    def members(self) -> dict[NodeId, Member]:
        """Everybody who was ever admitted, by node id."""
        return {member.node: member for member in self._application.members()}

    def blocks(self) -> Iterator[bytes]:
        """Canonical bytes of every block, lowest first."""
        yield from self._blocks

    def codebooks(self) -> list[dict[str, Any]]:
        """One entry a version of the codebook, the newest last, with the providers whose profiles count in it."""
        members = [member.node for member in self._application.members()]
        profiles = [record for node in members if (record := self._application.profile(node)) is not None]
        return [
            {
                "version": entry.number,
                "digest": entry.digest,
                "leaves": len(entry.leaf_labels),
                "references": entry.references,
                "providers": sorted(record.provider for record in profiles if record.codebook == entry.digest),
            }
            for entry in self._application.codebooks()
        ]

    def sealed(self) -> list[dict[str, Any]]:
        """One entry a sealed block, by height."""
        done = [s for s in self._application.sessions() if s.phase is Phase.SEALED]
        return [self._sealed(session) for session in sorted(done, key=lambda s: s.poq_height)]

    def show(self, which: str) -> dict[str, Any]:
        """A sealed block with all that is on the ledger about it.

        Parameters
        ----------
        which : str
            Its number among the sealed blocks, or how its hash or its session's id begins.

        Raises
        ------
        InputError
            If there is no such block, or several begin so.
        """
        fitting = [block for block in self.sealed() if _is_called(block, which)]
        if len(fitting) != 1:
            there = counted(self._application.poq_height, "sealed block")
            raise InputError(
                f"{counted(len(fitting), 'sealed block is', 'sealed blocks are')} called {which!r}"
                if fitting
                else f"no sealed block is called {which!r}",
                code="no-block",
                hint=f"the ledger has {there}: `comitia ledger blocks DIR` lists them",
            )
        session = self._application.session(SessionId(bytes.fromhex(fitting[0]["session"])))
        assert session is not None
        return self._whole(session)

    def events(self) -> list[dict[str, Any]]:
        """Every use of a provider's data, by time; `session` made the model, `reason` is why it made none."""
        listed = [event for session in self._application.sessions() for event in self._session_events(session)]
        for _, reuse in self._application.reuses():
            source = self._application.session(reuse.source)
            assert source is not None and source.judgement is not None
            listed += [
                self._event(reuse.time_ms, "served again", reuse.requester, node, reuse.purpose, 0, "")
                | {"session": reuse.source.hex()}
                for node in source.judgement.accepted
            ]
        return sorted(listed, key=lambda event: (event["time_ms"], event["session"], event["event"], event["provider"]))

    def _sealed(self, session: Session) -> dict[str, Any]:
        entry = self._application.poq_entry(session.poq_height)
        assert entry is not None and session.judgement is not None
        return {
            "height": session.poq_height,
            "time_ms": session.closed_ms,
            "requester": self._name(session.requester),
            "purpose": session.task.purpose,
            "contributors": [self._name(node) for node in session.judgement.accepted],
            "epsilon": session.task.epsilon_micro / 1e6,
            "block": entry.block.hex(),
            "session": session.id.hex(),
        }

    def _whole(self, session: Session) -> dict[str, Any]:
        assert session.block is not None
        block = session.block
        return self._sealed(session) | {
            "leader": self._name(block.leader),
            "members": [self._name(node) for node in block.members],
            "quorum": block.quorum,
            "model_sha256": block.model.hex(),
            "codebook": block.codebook.hex(),
            "references": {self._name(keeper): commitment.hex() for keeper, commitment in block.references},
            "transactions": [
                {
                    "author": self._name(transaction.author),
                    "rows": transaction.rows,
                    "epsilon": transaction.epsilon_micro / 1e6,
                    "verdict": transaction.verdict,
                    "mae": transaction.mae_ppm / 1e6,
                    "weighted_mae": transaction.weighted_mae_ppm / 1e6,
                    "commitment": transaction.commitment.hex(),
                }
                for transaction in block.transactions
            ],
        }

    def _session_events(self, session: Session) -> Iterator[dict[str, Any]]:
        verdicts = {node: str(verdict) for node, verdict in session.judgement.verdicts} if session.judgement else {}
        what = {Phase.SEALED: "model made", Phase.ABORTED: "aborted"}.get(session.phase, session.phase.value)
        time_ms, asker, purpose = session.closed_ms or session.opened_ms, session.requester, session.task.purpose
        uses = [
            self._event(time_ms, what, asker, node, purpose, commit.epsilon_micro, verdicts.get(node, ""))
            for node, commit in session.commits.items()
        ]
        for event in uses or [self._event(time_ms, what, asker, NodeId(""), purpose, 0, "")]:
            yield event | {"session": session.id.hex(), "reason": session.abort_reason}

    def _event(
        self, time_ms: int, event: str, requester: NodeId, provider: NodeId, purpose: str, epsilon: int, verdict: str
    ) -> dict[str, Any]:
        return {
            "time_ms": time_ms,
            "event": event,
            "requester": self._name(requester),
            "provider": self._name(provider),
            "purpose": purpose,
            "epsilon": epsilon / 1e6,
            "verdict": verdict,
            "session": "",
            "reason": "",
        }

    def _name(self, node: NodeId) -> str:
        member = self._application.member(node)
        return member.name if member else node


def _is_called(block: Mapping[str, Any], which: str) -> bool:
    begins = len(which) >= LEAST_OF_HASH and any(block[name].startswith(which.lower()) for name in ("block", "session"))
    return begins or which == str(block["height"])


def _read_copy(ledger: Path, genesis: Genesis) -> tuple[Application, list[bytes]]:
    """State and blocks of a copy, so that a running node's file is neither held nor changed.

    A node that writes meanwhile can spoil a copy; a new one is made then.
    """
    for attempt in range(1, COPIES + 1):
        with tempfile.TemporaryDirectory() as place:
            for part in (ledger, ledger.with_name(ledger.name + "-wal")):
                if part.exists():
                    shutil.copyfile(part, Path(place) / part.name)
            try:
                engine = EmbeddedEngine.open(Path(place) / ledger.name, genesis)
            except ComitiaError as error:
                if attempt == COPIES or not isinstance(error, DamagedError):
                    raise _of_original(error, Path(place) / ledger.name, ledger) from error
                continue
            try:
                return engine.application, [engine.block(n).to_bytes() for n in range(1, engine.height + 1)]
            finally:
                engine.close()
    raise AssertionError("the last attempt returns or raises")


def _of_original(error: ComitiaError, copy: Path, ledger: Path) -> ComitiaError:
    """An error that names the node's file, and not the copy that nobody finds any more."""
    message = error.message.replace(str(copy), str(ledger))
    return type(error)(message, code=error.code, hint=error.hint, **{**error.values, "path": str(ledger)})
