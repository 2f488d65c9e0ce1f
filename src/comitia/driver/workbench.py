"""What a committee member does with releases: read, judge, combine. Pure; the simulator remembers the answers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from comitia.consensus.gain import Gain
from comitia.consensus.score_sheet import Score
from comitia.core.errors import InputError, ProtocolError
from comitia.core.ids import NodeId
from comitia.learning.contract import Learner
from comitia.learning.global_model import GlobalModel
from comitia.learning.kept_back import KeptBack, parse_kept_back
from comitia.learning.local_model import LocalModel
from comitia.learning.registry import learner
from comitia.learning.signal import gain
from comitia.learning.wire import parse_release
from comitia.ledger.session import Session, release_terms
from comitia.privacy.receipt import require_terms
from comitia.privacy.released import Released
from comitia.roles.messages import References, Reveal
from comitia.text.codebook import Codebook

log = logging.getLogger("comitia.committee")


class Workbench:
    """Learners and measures, by the names that sessions use."""

    def learner(self, name: str) -> Learner:
        return learner(name)

    def read(self, session: Session, codebook: Codebook, reveal: Reveal) -> Released[LocalModel] | None:
        """A peer's release; None if it is not one of the session's learner in this codebook, at the terms asked for."""
        try:
            release = parse_release(reveal.release, learner=self.learner(session.task.learner), codebook=codebook)
            require_terms(release.receipt, release_terms(session))
        except (InputError, ProtocolError) as error:
            log.warning("the release of %s is not usable: %s", reveal.author, error.message)
            return None
        return release

    def read_references(self, codebook: Codebook, opened: References) -> KeptBack | None:
        """Documents that a witness kept back; None if they are none of this codebook."""
        try:
            return parse_kept_back(opened.documents, codebook)
        except ProtocolError as error:
            log.warning("the references of %s are not usable: %s", opened.keeper, error.message)
            return None

    def score(
        self,
        name: str,
        codebook: Codebook,
        author: NodeId,
        release: Released[LocalModel],
        given: GlobalModel | None,
        kept_back: Mapping[NodeId, KeptBack],
    ) -> Score:
        """The figures of a release that was read.

        Parameters
        ----------
        given
            The model of the rounds before.
        kept_back
            What witnesses have opened, by keeper.
        """
        line = Score.of(author, self.learner(name).judge(codebook, release, given))
        return replace(line, gains=tuple(self._gains(codebook, release, kept_back)))

    def _gains(
        self, codebook: Codebook, release: Released[LocalModel], kept_back: Mapping[NodeId, KeptBack]
    ) -> Iterator[Gain]:
        for keeper in sorted(kept_back):
            found = gain(codebook, release, kept_back[keeper].vectors, kept_back[keeper].labels)
            if found is not None:
                yield Gain(keeper=keeper, gain_micro=found.z_micro, expected_micro=found.expected_micro)

    def combine(
        self, name: str, codebook: Codebook, accepted: Sequence[Released[LocalModel]], given: GlobalModel | None
    ) -> GlobalModel:
        """The model after a round; `given` is that of the rounds before."""
        return self.learner(name).combine(codebook, accepted, given)

    def loss_ppm(self, name: str, codebook: Codebook, model: GlobalModel) -> int | None:
        """Loss of a combined model on the public references."""
        return self.learner(name).reference_loss_ppm(codebook, model)
