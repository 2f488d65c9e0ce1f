"""The small consortium of `world`, with its ledger kept by an engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from world import LIBERAL, World, genesis, key

from comitia.core.codec import digest
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.application import Application, Applied
from comitia.ledger.transactions import Policy, SetPolicy


class EngineWorld(World):
    """A `World` whose blocks are made by the super node's engine, in the file `path`."""

    def __init__(self, path: Path, *, providers: tuple[str, ...] = ("a", "b", "c"), max_pages: int = 0) -> None:
        self.path = path
        self.engine = self._open(max_pages)
        self._version = 1
        super().__init__(providers=providers)

    def __post_init__(self) -> None:
        self.genesis = genesis()
        self.height = self.engine.height

    @property
    def application(self) -> Application:  # type: ignore[override]
        return self.engine.application

    def block(self, *transactions: bytes) -> Applied:
        for number, data in enumerate(transactions):
            self.engine.submit_own(digest(data + bytes([number])), data)  # type: ignore[arg-type]
        self.engine.produce(self.now_ms)
        self.height = self.engine.height
        return self.engine.last_applied

    def note(self, author: str = "a", size: int = 0) -> None:
        """One block with a small transaction that can be repeated: a new version of a policy."""
        self._version = max(self._version, self.height) + 1
        names = tuple(f"{self._version}-{number}" for number in range(size))
        rule = replace(LIBERAL, requesters=names)
        self.post(author, SetPolicy(policy=Policy(version=self._version, rules=(rule,))))

    def reopen(self, max_pages: int = 0) -> EmbeddedEngine:
        """Close the ledger and open it again."""
        self.engine.close()
        self.engine = self._open(max_pages)
        self.height = self.engine.height
        return self.engine

    def _open(self, max_pages: int) -> EmbeddedEngine:
        return EmbeddedEngine.open(self.path, genesis(), signer=key("super"), max_pages=max_pages)
