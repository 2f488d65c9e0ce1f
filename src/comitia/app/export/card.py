"""The model card: what a model is, where it comes from and what it is not good for, in one page of Markdown."""

from __future__ import annotations

from comitia.core.units import MICRO
from comitia.learning.global_model import GlobalModel
from comitia.ledger.proof import Proof, Verified
from comitia.ledger.transactions import PoqBlock, block_digest
from comitia.privacy.terms import in_units

FEW = 1.0
"""Below so many reference documents' worth of evidence a category is called weak."""


def model_card(model: GlobalModel, proof: Proof, verified: Verified | None) -> str:
    """The card.

    Parameters
    ----------
    verified : Verified or None
        None where the model was not checked against a genesis: the card then says so.
    """
    block = proof.claim
    return (
        "\n".join([*_head(model, block, verified), *_categories(model), *_contributors(block), *_limits(model)]) + "\n"
    )


def _head(model: GlobalModel, block: PoqBlock, verified: Verified | None) -> list[str]:
    checked = (
        "checked against the genesis: sealed by a quorum of its committee, on the ledger"
        if verified
        else "**not checked**: give `--genesis FILE`, or run `comitia verify`"
    )
    place = f"height {verified.height}" if verified else "see its proof"
    return [
        f"# Model {model.digest.hex()[:12]}",
        "",
        "Says which category a text belongs to. Made by Comitia from many owners' texts, none of which left its owner.",
        "",
        "| | |",
        "|---|---|",
        f"| SHA-256 of the model | `{model.digest.hex()}` |",
        f"| Learner | {block.learner} |",
        f"| Purpose | {_plain(block.purpose)} |",
        f"| Block | `{block_digest(block).hex()}`, {place} |",
        f"| Session | `{block.session.hex()}` |",
        f"| Requester | `{block.requester}` |",
        f"| Proof | {checked} |",
        f"| Codebook | `{model.codebook.digest.hex()}`: {model.codebook.kind} vectors of rank {model.codebook.rank}, "
        f"from a public pool of {model.codebook.pool_documents} documents |",
        f"| Public knowledge alone | {_public_only(model)} |",
        "",
    ]


def _public_only(model: GlobalModel) -> str:
    measured = model.codebook.public_only_auc_ppm
    return "not measured" if measured is None else f"AUC {measured / MICRO:.3f}, as the codebook's makers measured it"


def _categories(model: GlobalModel) -> list[str]:
    references = model.codebook.reference_labels.tolist()
    rows = [
        f"| {_plain(category.label)} | {_plain(category.words) or 'nothing: an opaque code'} "
        f"| {references.count(number)} | {int(evidence) / MICRO:.1f} |"
        for number, (category, evidence) in enumerate(
            zip(model.codebook.categories, model.posterior.evidence_micro, strict=True)
        )
    ]
    return [
        "## Categories",
        "",
        "What the releases taught, noise counted in, is worth so many reference documents.",
        "",
        "| id | public words | public references | shared evidence |",
        "|---|---|---|---|",
        *rows,
        "",
    ]


def _contributors(block: PoqBlock) -> list[str]:
    rows = [
        f"| `{entry.author[:16]}` | {entry.rows} | {in_units(entry.epsilon_micro)} | {_plain(entry.verdict)} "
        f"| {'yes' if entry.author in block.accepted else 'no'} | {entry.mae_ppm / MICRO:.3f} "
        f"| {entry.weighted_mae_ppm / MICRO:.3f} |"
        for entry in block.transactions
    ]
    return [
        "## Contributors and their scores",
        "",
        "Epsilon: what a provider paid for its release. MAE: the committee's judgement, Eq. (7); lower is better.",
        "",
        "| provider | documents | epsilon | verdict | used | MAE | weighted MAE |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def _limits(model: GlobalModel) -> list[str]:
    opaque = not all(category.words for category in model.codebook.categories)
    weak = [
        category.label
        for number, category in enumerate(model.codebook.categories)
        if model.posterior.evidence_micro[number] < FEW * MICRO
        and number not in model.codebook.reference_labels
        and not model.codebook.name_vectors[number].any()
    ]
    lines = [
        "## Limits",
        "",
        "- It knows the categories above and no others: a text of none of them gets the most similar one.",
        "- It reads words of the codebook's vocabulary alone; a text without any is answered from public knowledge.",
        "- Probabilities order the categories; they are not calibrated.",
        "- Rare categories drown in noise: see the evidence above.",
        "- The privacy that was paid for protects the providers' documents. It does not make the answers right.",
    ]
    if weak:
        lines.append(f"- Hardly anything is known of: {', '.join(map(_plain, weak))}.")
    if opaque:
        lines.append("- Where a category has no public words, nobody could judge by them what was released about it.")
    return lines


def _plain(text: str) -> str:
    """Another party's words, unable to break the table."""
    return "".join(" " if letter in "|\r\n`<>" else letter for letter in text)
