"""What the committee finds of bad work, what it costs honest providers, and what slips through into the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from comitia.consensus.committee import quorum
from comitia.consensus.gain import Gain
from comitia.consensus.quality import Judgement, judge
from comitia.consensus.rules import QualityRules
from comitia.consensus.score_sheet import Score
from comitia.consensus.verdicts import Verdict
from comitia.core.errors import InputError
from comitia.core.ids import NodeId
from comitia.evaluation.partitions import share_out
from comitia.evaluation.prepared import Prepared, hold_out
from comitia.learning.class_sums import inverse_count_weight
from comitia.learning.judging import Judged, judge_class_sums
from comitia.learning.local_model import LocalModel
from comitia.learning.metrics import macro_auc
from comitia.learning.posterior import POSTERIOR_BITS, posterior
from comitia.learning.prototype import Prototype
from comitia.learning.signal import Signal, gain
from comitia.privacy.noise import Noise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms
from comitia.text.codebook import Codebook

Release = Released[LocalModel]
Vectors = NDArray[np.int32]
Labels = NDArray[np.int64]

_PRAISE = 100_000_000
"""The signal, in millionths of a standard deviation, that liars claim or deny."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Battle:
    """One way to run the comparison.

    Attributes
    ----------
    partition, providers
        As `share_out` takes them.
    malicious : int
        How many of the providers attack, and lie as judges.
    epsilon, delta : str
    names : bool
        Whether the categories' words are public.
    references : int
        Public documents of each category.
    kept_back : int
        Documents of each category that each keeper keeps back until scoring; 0, or at least 2.
    keepers : int
        Witnesses that keep documents back, each its own.
    """

    partition: str = "sorted"
    providers: int = 9
    malicious: int = 3
    epsilon: str = "1"
    delta: str = "1e-5"
    names: bool = True
    references: int = 0
    kept_back: int = 0
    keepers: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.malicious < self.providers or self.kept_back == 1 or self.keepers < 1:
            raise InputError(
                f"{self.malicious} of {self.providers} providers, {self.kept_back} documents kept back by "
                f"{self.keepers} keepers: not possible",
                code="bad-battle",
                hint="some providers attack, some do not; documents kept back are none, or two and more a category",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fought:
    """What one attack came to with one seed.

    Attributes
    ----------
    bad, honest : tuple of Verdict
        On the malicious providers' releases, and on the others'.
    auc, auc_unverified, auc_honest : float
        Of the model that the accepted releases make, of the one that those which nobody can judge are added to, and of
        the honest releases' alone.
    """

    bad: tuple[Verdict, ...]
    honest: tuple[Verdict, ...]
    auc: float
    auc_unverified: float
    auc_honest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Shares over all seeds, 0 to 1. Both drops are against a model of the honest providers alone."""

    bad_found: float
    bad_accepted: float
    bad_unverifiable: float
    honest_rejected: float
    honest_unverifiable: float
    auc: float
    auc_drop: float
    auc_drop_unverified: float

    @classmethod
    def of(cls, rows: Sequence[Fought]) -> Outcome:
        bad = [verdict for row in rows for verdict in row.bad]
        honest = [verdict for row in rows for verdict in row.honest]
        return cls(
            bad_found=bad.count(Verdict.REJECT) / len(bad),
            bad_accepted=bad.count(Verdict.ACCEPT) / len(bad),
            bad_unverifiable=bad.count(Verdict.UNVERIFIABLE) / len(bad),
            honest_rejected=honest.count(Verdict.REJECT) / len(honest),
            honest_unverifiable=honest.count(Verdict.UNVERIFIABLE) / len(honest),
            auc=float(np.mean([row.auc for row in rows])),
            auc_drop=float(np.mean([row.auc_honest - row.auc for row in rows])),
            auc_drop_unverified=float(np.mean([row.auc_honest - row.auc_unverified for row in rows])),
        )


def fight(prepared: Prepared, battle: Battle, attacks: Sequence[str], *, seed: int, noise: Noise) -> dict[str, Fought]:
    """Share out and train once, then let the malicious ones attack in each way, judge and combine.

    Raises
    ------
    InputError
        An unknown attack, or too few documents of a category.
    """
    for attack in attacks:
        if attack not in ATTACKS:
            raise InputError(
                f"there is no attack {attack!r}", code="unknown-attack", hint=f"known: {', '.join(ATTACKS)}"
            )
    return _Field.of(prepared, battle, seed, noise).fought(attacks)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Attacker:
    """What one malicious provider has to work with; `release` is the one it would make if it were honest."""

    codebook: Codebook
    vectors: Vectors
    labels: Labels
    terms: PrivacyTerms
    noise: Noise
    generator: np.random.Generator
    release: Release

    def trained(self, vectors: Vectors | None = None, labels: Labels | None = None) -> Release:
        return Prototype().train(
            self.codebook,
            self.vectors if vectors is None else vectors,
            self.labels if labels is None else labels,
            self.terms,
            self.noise,
        )

    def posing_as(self, values: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> Release:
        """Other values under an honest release's receipt, as a provider that runs altered code can write one."""
        return self.release.map(lambda model: replace(model, values=values(model.values)))

    def with_fresh_noise(self, values: NDArray[np.int64]) -> Release:
        """Made-up values, with noise as it should be."""
        drawn = self.noise.discrete_gaussian(sigma_squared=self.release.receipt.sigma_squared, size=values.size)
        return self.posing_as(lambda _: values + drawn.reshape(values.shape))


def _label_flip(attacker: _Attacker) -> Release:
    classes = len(attacker.codebook.categories)
    return attacker.trained(labels=(attacker.labels + 1) % classes)


def _random_labels(attacker: _Attacker) -> Release:
    return attacker.trained(
        labels=attacker.generator.integers(0, len(attacker.codebook.categories), len(attacker.labels))
    )


def _scaled(attacker: _Attacker) -> Release:
    return attacker.posing_as(lambda values: np.concatenate([3 * values[:, :-1], values[:, -1:]], axis=1))


def _sign_flipped(attacker: _Attacker) -> Release:
    return attacker.posing_as(lambda values: np.concatenate([-values[:, :-1], values[:, -1:]], axis=1))


def _biased(attacker: _Attacker) -> Release:
    """All documents go by the label most of them have."""
    return attacker.trained(labels=np.full_like(attacker.labels, np.bincount(attacker.labels).argmax()))


def _free_rider_noise(attacker: _Attacker) -> Release:
    """Counts without documents."""
    return attacker.with_fresh_noise(_made_up(attacker, np.zeros_like(posterior(attacker.codebook, ()).means)))


def _free_rider_zeros(attacker: _Attacker) -> Release:
    return attacker.posing_as(np.zeros_like)


def _synthesised(attacker: _Attacker) -> Release:
    """Sums as documents would have that lie at the public means."""
    return attacker.with_fresh_noise(_made_up(attacker, posterior(attacker.codebook, ()).means))


def _backdoor(attacker: _Attacker) -> Release:
    """A quarter of the documents become copies of one pool document with the first category's label."""
    vectors, labels = attacker.vectors.copy(), attacker.labels.copy()
    poisoned = attacker.generator.permutation(len(labels))[: len(labels) // 4]
    vectors[poisoned] = attacker.codebook.pool_sample[0]
    labels[poisoned] = 0
    return attacker.trained(vectors, labels)


ATTACKS: Mapping[str, Callable[[_Attacker], Release]] = {
    "label-flip": _label_flip,
    "random-labels": _random_labels,
    "scaled": _scaled,
    "sign-flipped": _sign_flipped,
    "biased": _biased,
    "free-rider-zeros": _free_rider_zeros,
    "free-rider-noise": _free_rider_noise,
    "free-rider-synthesised": _synthesised,
    "backdoor": _backdoor,
}
"""What a malicious provider releases."""


def _made_up(attacker: _Attacker, means: NDArray[np.int32]) -> NDArray[np.int64]:
    """Sums and weighted counts of as many documents of each category, all of them at its mean."""
    book = attacker.codebook
    each = (len(attacker.labels) << book.grid_bits) // len(book.categories) // inverse_count_weight(book)
    documents = each * inverse_count_weight(book) >> book.grid_bits
    sums = documents * means.astype(np.int64) >> (POSTERIOR_BITS - book.grid_bits)
    return np.column_stack([sums, np.full(len(means), each, dtype=np.int64)])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Field:
    """What one seed has in common for all attacks."""

    codebook: Codebook
    attackers: Mapping[int, _Attacker]
    releases: tuple[Release, ...]
    queries: Vectors
    truth: Labels
    kept_back: tuple[tuple[Vectors, Labels], ...]
    judged: tuple[_Figures, ...]

    @classmethod
    def of(cls, prepared: Prepared, battle: Battle, seed: int, noise: Noise) -> _Field:
        generator = np.random.Generator(np.random.PCG64(seed))
        vectors, labels = prepared.private, prepared.private_labels
        open_rows, *kept_rows = _public_rows(labels, battle, generator)
        bare = prepared.named if battle.names else prepared.bare
        book = replace(bare, references=vectors[open_rows], reference_labels=labels[open_rows])
        kept_back = tuple((vectors[rows], labels[rows]) for rows in kept_rows if len(rows))
        remaining = np.setdiff1d(np.arange(len(labels)), np.concatenate([open_rows, *kept_rows]))
        documents = [prepared.corpus.private[row] for row in remaining]
        dealt = share_out(documents, battle.partition, providers=battle.providers, generator=generator)
        shares, queries, truth = hold_out(prepared, [remaining[share] for share in dealt], generator)
        terms = PrivacyTerms.of(battle.epsilon, battle.delta)
        releases = tuple(Prototype().train(book, vectors[share], labels[share], terms, noise) for share in shares)
        attackers = {
            number: _Attacker(
                codebook=book,
                vectors=vectors[shares[number]],
                labels=labels[shares[number]],
                terms=terms,
                noise=noise,
                generator=np.random.Generator(np.random.PCG64([seed, number])),
                release=releases[number],
            )
            for number in generator.permutation(len(shares))[: battle.malicious].tolist()
        }
        return cls(
            codebook=book,
            attackers=attackers,
            releases=releases,
            queries=queries,
            truth=truth,
            kept_back=kept_back,
            judged=tuple(_Figures.of(book, release, kept_back) for release in releases),
        )

    def fought(self, attacks: Sequence[str]) -> dict[str, Fought]:
        auc_honest = self._area([r for number, r in enumerate(self.releases) if number not in self.attackers])
        return {attack: self._attacked(attack, auc_honest) for attack in attacks}

    def _attacked(self, attack: str, auc_honest: float) -> Fought:
        releases, judged = list(self.releases), list(self.judged)
        for number, attacker in self.attackers.items():
            releases[number] = ATTACKS[attack](attacker)
            judged[number] = _Figures.of(self.codebook, releases[number], self.kept_back)
        judgement = _judge(judged, releases, set(self.attackers), len(self.codebook.references))
        verdicts = [verdict for _, verdict in judgement.verdicts]
        used = [int(author, 16) for author in judgement.accepted]
        return Fought(
            bad=tuple(verdict for number, verdict in enumerate(verdicts) if number in self.attackers),
            honest=tuple(verdict for number, verdict in enumerate(verdicts) if number not in self.attackers),
            auc=self._area([releases[n] for n in used if verdicts[n] is Verdict.ACCEPT]),
            auc_unverified=self._area([releases[n] for n in used]),
            auc_honest=auc_honest,
        )

    def _area(self, chosen: Sequence[Release]) -> float:
        return macro_auc(self.truth, Prototype().combine(self.codebook, chosen).log_scores(self.queries))


def _public_rows(labels: Labels, battle: Battle, generator: np.random.Generator) -> list[NDArray[np.int64]]:
    """Rows of the open references, and of those that each keeper keeps back."""
    sizes = [battle.references, *[battle.kept_back] * battle.keepers]
    chosen: list[list[NDArray[np.int64]]] = [[np.empty(0, dtype=np.int64)] for _ in sizes]
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) <= sum(sizes):
            raise InputError(
                f"a category has {len(rows)} documents, {sum(sizes)} are to be public", code="too-few-documents"
            )
        drawn = generator.choice(rows, sum(sizes), replace=False)
        for part, taken in zip(chosen, np.split(drawn, np.cumsum(sizes)[:-1]), strict=True):
            part.append(taken)
    return [np.concatenate(part) for part in chosen]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    """What an honest judge measures on one release: in the open, and by each keeper's documents."""

    judged: Judged
    gains: tuple[Signal | None, ...]

    @classmethod
    def of(cls, book: Codebook, release: Release, kept_back: Sequence[tuple[Vectors, Labels]]) -> _Figures:
        return cls(
            judged=judge_class_sums(book, release),
            gains=tuple(gain(book, release, *documents) for documents in kept_back),
        )


def _judge(figures: Sequence[_Figures], releases: Sequence[Release], bad: set[int], references: int) -> Judgement:
    """The committee's judgement, with unverified work used."""
    ids = [NodeId(f"{number:032x}") for number in range(len(releases))]
    keepers = [NodeId(f"keeper-{number:03}") for number in range(len(figures[0].gains))]
    honest_lines = [_line(author, each, keepers) for author, each in zip(ids, figures, strict=True)]
    lies = [_lie(line, praise=number in bad) for number, line in enumerate(honest_lines)]
    sheets = {author: lies if number in bad else honest_lines for number, author in enumerate(ids)}
    rules = QualityRules(quorum=quorum(len(ids)), reference_size=references, accept_unverified=True)
    rows = {author: release.value.rows for author, release in zip(ids, releases, strict=True)}
    return judge(sheets, rows, rules, b"beacon", keepers=frozenset(keepers))


def _line(author: NodeId, figures: _Figures, keepers: Sequence[NodeId]) -> Score:
    """What an honest judge posts."""
    gains = tuple(
        Gain(keeper=keeper, gain_micro=found.z_micro, expected_micro=found.expected_micro)
        for keeper, found in zip(keepers, figures.gains, strict=True)
        if found is not None
    )
    return replace(Score.of(author, figures.judged), gains=gains)


def _lie(line: Score, *, praise: bool) -> Score:
    """Liars praise each other and condemn everybody else, all in the same words."""
    said = _PRAISE if praise else -_PRAISE
    gains = tuple(replace(gain, gain_micro=said, expected_micro=_PRAISE) for gain in line.gains)
    return replace(line, signal_micro=said, expected_micro=_PRAISE, gains=gains)
