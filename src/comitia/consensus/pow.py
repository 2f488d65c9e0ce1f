"""Proof of work, the paper's first proposal, kept as a baseline: who finds the nonce first leads.

Source: III.C step 7
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

NONCE_BYTES = 8
MAX_DIFFICULTY = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A proof of work.

    Attributes
    ----------
    nonce : what makes the hash small.
    hashes : how many were computed to find it. (Hashes are counted, joules cannot be measured here.)
    """

    nonce: int
    hashes: int


def search(content: bytes, difficulty: int, *, start: int = 0, limit: int) -> Work | None:
    """Look for a nonce whose hash with `content` begins with `difficulty` zero bits.

    Parameters
    ----------
    content : bytes
        What the work is bound to: a block's digest and its author.
    difficulty : int
        0 to `MAX_DIFFICULTY`; each bit doubles the expected work.
    start, limit : int
        First nonce, and how many to try.

    Returns
    -------
    Work or None
        None if there is none among those tried.
    """
    if not 0 <= difficulty <= MAX_DIFFICULTY:
        raise ValueError(f"a difficulty lies in 0 to {MAX_DIFFICULTY}")
    prefix = sha256(content)
    for nonce in range(start, start + limit):
        if _fits(prefix.copy(), nonce, difficulty):
            return Work(nonce=nonce, hashes=nonce - start + 1)
    return None


def verify(content: bytes, difficulty: int, nonce: int) -> bool:
    """Whether a nonce is a proof of this work; one hash."""
    return 0 <= nonce < 1 << 8 * NONCE_BYTES and _fits(sha256(content), nonce, difficulty)


def _fits(hashed: _Hash, nonce: int, difficulty: int) -> bool:
    hashed.update(nonce.to_bytes(NONCE_BYTES, "big"))
    return int.from_bytes(hashed.digest(), "big") >> (256 - difficulty) == 0
