"""What a committee member does with releases: read, judge, combine. Pure; the simulator remembers the answers."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from comitia.consensus.quality import Score
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.learning.contract import Learner
from comitia.learning.global_model import GlobalModel
from comitia.learning.local_model import LocalModel
from comitia.learning.registry import learner
from comitia.learning.wire import parse_release
from comitia.privacy.released import Released
from comitia.roles.messages import Reveal
from comitia.text.codebook import Codebook

log = logging.getLogger("comitia.committee")


class Workbench:
    """Learners and measures, by the names that sessions use."""

    def learner(self, name: str) -> Learner:
        return learner(name)

    def read(self, name: str, codebook: Codebook, reveal: Reveal) -> Released[LocalModel] | None:
        """A peer's release; None if it is not one of this learner in this codebook."""
        try:
            return parse_release(reveal.release, learner=self.learner(name), codebook=codebook)
        except ProtocolError as error:
            log.warning("the release of %s is not usable: %s", reveal.author, error.message)
            return None

    def score(
        self,
        name: str,
        codebook: Codebook,
        author: NodeId,
        release: Released[LocalModel],
        given: GlobalModel | None,
    ) -> Score:
        """The figures of a release that was read; `given` is the model of the rounds before."""
        return Score.of(author, self.learner(name).judge(codebook, release, given))

    def combine(
        self, name: str, codebook: Codebook, accepted: Sequence[Released[LocalModel]], given: GlobalModel | None
    ) -> GlobalModel:
        """The model after a round; `given` is that of the rounds before."""
        return self.learner(name).combine(codebook, accepted, given)

    def loss_ppm(self, name: str, codebook: Codebook, model: GlobalModel) -> int | None:
        """Loss of a combined model on the public references."""
        return self.learner(name).reference_loss_ppm(codebook, model)
