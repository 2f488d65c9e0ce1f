"""What the committee finds of bad work, what it costs honest providers, and what slips through into the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from comitia.consensus.committee import faults_tolerated, quorum
from comitia.consensus.quality import QualityRules, Score, Verdict, judge
from comitia.core.errors import InputError
from comitia.core.ids import NodeId
from comitia.evaluation.learning import Prepared
from comitia.evaluation.partitions import share_out
from comitia.learning.class_sums import inverse_count_weight
from comitia.learning.local_model import LocalModel
from comitia.learning.metrics import macro_auc
from comitia.learning.posterior import POSTERIOR_BITS, posterior
from comitia.learning.prototype import Prototype
from comitia.learning.reference import reference_loss_ppm
from comitia.learning.signal import Signal, gain, signal
from comitia.privacy.noise import Noise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms
from comitia.text.codebook import Codebook

Release = Released[LocalModel]
Vectors = NDArray[np.int32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Battle:
    """One way to run the comparison.

    Attributes
    ----------
    attack : str
        A name in `ATTACKS`.
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
        Documents of each category that witnesses keep back until scoring; 0, or at least 2.
    seeds : tuple of int
    """

    attack: str
    partition: str = "sorted"
    providers: int = 9
    malicious: int = 3
    epsilon: str = "1"
    delta: str = "1e-5"
    names: bool = True
    references: int = 0
    kept_back: int = 0
    seeds: tuple[int, ...] = tuple(range(20))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Shares over all seeds, 0 to 1. `auc_drop` is against a model of the honest providers alone."""

    bad_found: float
    bad_accepted: float
    bad_unverifiable: float
    honest_rejected: float
    honest_unverifiable: float
    auc: float
    auc_drop: float


def run_attacks(prepared: Prepared, battle: Battle, *, noise: Noise) -> Outcome:
    """Share out, train, attack, judge and combine, once for each seed.

    Raises
    ------
    InputError
        An unknown attack, more malicious providers than there are, or too few documents of a category.
    """
    if battle.attack not in ATTACKS:
        raise InputError(
            f"there is no attack {battle.attack!r}", code="unknown-attack", hint=f"known: {', '.join(ATTACKS)}"
        )
    if not 0 < battle.malicious < battle.providers or battle.kept_back == 1 or not battle.seeds:
        raise InputError(
            f"{battle.malicious} of {battle.providers} providers, {battle.kept_back} documents kept back, "
            f"{len(battle.seeds)} seeds: not possible",
            code="bad-battle",
            hint="some providers attack, some do not; documents kept back are none, or two and more a category",
        )
    bare = prepared.named if battle.names else prepared.bare
    return _outcome([_seed(prepared, battle, bare, seed, noise) for seed in battle.seeds])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Attacker:
    """What one malicious provider has to work with."""

    codebook: Codebook
    vectors: Vectors
    labels: Labels
    terms: PrivacyTerms
    noise: Noise
    generator: np.random.Generator

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
        return self.trained().map(lambda model: replace(model, values=values(model.values)))

    def fresh_noise(self, release: Release) -> NDArray[np.int64]:
        sigma_squared, shape = release.receipt.sigma_squared, release.value.values.shape
        return self.noise.discrete_gaussian(sigma_squared=sigma_squared, size=shape[0] * shape[1]).reshape(shape)


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
    release = attacker.trained()
    made_up = attacker.fresh_noise(release)
    made_up[:, -1] = _counts(attacker)
    return release.map(lambda model: replace(model, values=made_up))


def _free_rider_zeros(attacker: _Attacker) -> Release:
    return attacker.posing_as(np.zeros_like)


def _synthesised(attacker: _Attacker) -> Release:
    """Sums as documents would have that lie at the public means, with noise as it should be."""
    release = attacker.trained()
    book, counts = attacker.codebook, _counts(attacker) * inverse_count_weight(attacker.codebook)
    public = posterior(book, ()).means.astype(np.int64)
    sums = (counts >> book.grid_bits)[:, None] * public >> (POSTERIOR_BITS - book.grid_bits)
    made_up = np.column_stack([sums, _counts(attacker)]) + attacker.fresh_noise(release)
    return release.map(lambda model: replace(model, values=made_up))


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


def _counts(attacker: _Attacker) -> NDArray[np.int64]:
    """Claimed weighted counts, the same of each category, in grid steps."""
    book = attacker.codebook
    each = (len(attacker.labels) << book.grid_bits) // len(book.categories) // inverse_count_weight(book)
    return np.full(len(book.categories), each, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What one seed gave."""

    bad: tuple[Verdict, ...]
    honest: tuple[Verdict, ...]
    auc: float
    honest_auc: float


def _seed(prepared: Prepared, battle: Battle, bare: Codebook, seed: int, noise: Noise) -> _Row:
    generator = np.random.Generator(np.random.PCG64(seed))
    vectors, labels = prepared.private, prepared.private_labels
    open_rows, kept_back = _public_rows(labels, battle, generator)
    book = replace(bare, references=vectors[open_rows], reference_labels=labels[open_rows])
    remaining = np.setdiff1d(np.arange(len(labels)), np.concatenate([open_rows, kept_back]))
    documents = [prepared.corpus.private[row] for row in remaining]
    shares = [
        remaining[share]
        for share in share_out(documents, battle.partition, providers=battle.providers, generator=generator)
    ]
    queries, truth = prepared.evaluated, prepared.evaluated_labels
    if not len(truth):
        mixed = [generator.permutation(share) for share in shares]
        held_out = np.concatenate([share[: len(share) // 4] for share in mixed])
        shares = [share[len(share) // 4 :] for share in mixed]
        queries, truth = vectors[held_out], labels[held_out]
    terms = PrivacyTerms.of(battle.epsilon, battle.delta)
    bad = set(generator.permutation(len(shares))[: battle.malicious].tolist())
    releases = []
    for number, share in enumerate(shares):
        party = _Attacker(
            codebook=book, vectors=vectors[share], labels=labels[share], terms=terms, noise=noise, generator=generator
        )
        releases.append(ATTACKS[battle.attack](party) if number in bad else party.trained())
    verdicts = _judged(book, releases, bad, (vectors[kept_back], labels[kept_back]), len(open_rows))

    def area(chosen: Sequence[Release]) -> float:
        return macro_auc(truth, Prototype().combine(book, chosen).log_scores(queries))

    accepted = [release for release, verdict in zip(releases, verdicts, strict=True) if verdict is Verdict.ACCEPT]
    return _Row(
        bad=tuple(verdict for number, verdict in enumerate(verdicts) if number in bad),
        honest=tuple(verdict for number, verdict in enumerate(verdicts) if number not in bad),
        auc=area(accepted),
        honest_auc=area([release for number, release in enumerate(releases) if number not in bad]),
    )


def _public_rows(
    labels: Labels, battle: Battle, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the open references, and of those kept back."""
    opened, kept = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    wanted = battle.references + battle.kept_back
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) <= wanted:
            raise InputError(
                f"a category has {len(rows)} documents, {wanted} are to be public", code="too-few-documents"
            )
        chosen = generator.choice(rows, wanted, replace=False)
        opened.append(chosen[: battle.references])
        kept.append(chosen[battle.references :])
    return np.concatenate(opened), np.concatenate(kept)


def _judged(
    book: Codebook, releases: Sequence[Release], bad: set[int], kept_back: tuple[Vectors, Labels], references: int
) -> tuple[Verdict, ...]:
    """The committee's verdicts by what is public; what the witnesses kept back can only reject.

    Where a gain says too little either way, what was found in the open stands.
    """
    open_figures = [(signal(book, release), reference_loss_ppm(book, release)) for release in releases]
    verdicts = _verdicts(releases, open_figures, bad, references)
    if not len(kept_back[1]):
        return verdicts
    gains = [(gain(book, release, *kept_back), None) for release in releases]
    by_gain = _verdicts(releases, gains, bad, 0)
    return tuple(
        Verdict.REJECT if found is Verdict.REJECT else verdict for verdict, found in zip(verdicts, by_gain, strict=True)
    )


def _verdicts(
    releases: Sequence[Release], figures: Sequence[tuple[Signal | None, int | None]], bad: set[int], references: int
) -> tuple[Verdict, ...]:
    ids = [NodeId(f"{number:032x}") for number in range(1, len(releases) + 1)]
    honest_lines = [_line(author, *figure) for author, figure in zip(ids, figures, strict=True)]
    # Liars praise each other and condemn everybody else, all in the same words.
    lies = [_line(author, _PRAISE if n in bad else _BLAME, figures[n][1]) for n, author in enumerate(ids)]
    sheets = {author: lies if number in bad else honest_lines for number, author in enumerate(ids)}
    rules = QualityRules(quorum=quorum(len(ids)), faults=faults_tolerated(len(ids)), reference_size=references)
    rows = {author: release.value.rows for author, release in zip(ids, releases, strict=True)}
    verdicts = dict(judge(sheets, rows, rules, b"beacon").verdicts)
    return tuple(verdicts[author] for author in ids)


_PRAISE = Signal(z_micro=100_000_000, expected_micro=100_000_000)
_BLAME = Signal(z_micro=-100_000_000, expected_micro=100_000_000)


def _line(author: NodeId, found: Signal | None, loss: int | None) -> Score:
    return Score(
        author=author,
        received=True,
        signal_micro=found.z_micro if found else None,
        expected_micro=found.expected_micro if found else None,
        reference_loss_ppm=loss,
    )


def _outcome(rows: Sequence[_Row]) -> Outcome:
    bad = [verdict for row in rows for verdict in row.bad]
    honest = [verdict for row in rows for verdict in row.honest]
    return Outcome(
        bad_found=bad.count(Verdict.REJECT) / len(bad),
        bad_accepted=bad.count(Verdict.ACCEPT) / len(bad),
        bad_unverifiable=bad.count(Verdict.UNVERIFIABLE) / len(bad),
        honest_rejected=honest.count(Verdict.REJECT) / len(honest),
        honest_unverifiable=honest.count(Verdict.UNVERIFIABLE) / len(honest),
        auc=float(np.mean([row.auc for row in rows])),
        auc_drop=float(np.mean([row.honest_auc - row.auc for row in rows])),
    )
