"""`model.comitia`: a model that answers offline, with the proof of where it comes from, in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from comitia.core.codec import decode, encode
from comitia.core.errors import ComitiaError, DamagedError, InputError
from comitia.learning.global_model import GlobalModel
from comitia.ledger.genesis import Genesis
from comitia.ledger.proof import Proof, Verified, verify_proof
from comitia.storage.encoder import with_encoder
from comitia.storage.whole_file import write_whole
from comitia.text.codebook import Codebook

FORMAT: Final = "comitia model 1"
FILE_LIMIT: Final = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A model with all that is needed to ask and to check it.

    format : `FORMAT`.
    model : canonical bytes of M.
    proof : canonical bytes of its proof.
    codebook : canonical bytes of the codebook that it was trained on.
    """

    format: str
    model: bytes
    proof: bytes
    codebook: bytes

    def load(self) -> tuple[Codebook, GlobalModel]:
        """The codebook and the model, ready to be asked.

        Raises
        ------
        DamagedError
            If either is damaged, or they do not belong together.
        """
        codebook = with_encoder(Codebook.from_bytes(self.codebook))
        return codebook, GlobalModel.from_bytes(self.model, codebook)

    def verify(self, genesis: Genesis) -> Verified:
        """Check the model against its block, certificate and the genesis; offline.

        Raises
        ------
        DamagedError
            Saying which check failed.
        """
        verified = verify_proof(Proof.from_bytes(self.proof), genesis, self.model)
        codebook = Codebook.from_bytes(self.codebook)
        if codebook.digest != verified.codebook:
            raise DamagedError("the file's codebook is not the one that the block names", code="codebook-mismatch")
        return verified


def write_model(path: Path, *, model: bytes, proof: bytes, codebook: bytes) -> None:
    """Write a model file, whole or not at all."""
    write_whole(path, encode(ModelFile(format=FORMAT, model=model, proof=proof, codebook=codebook)))


def read_model(path: Path) -> ModelFile:
    """Read a model file.

    Raises
    ------
    InputError
        If there is no such file.
    DamagedError
        If it is not a model file, of another version, or damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", code="file-missing", path=str(path)) from error
    try:
        file = decode(ModelFile, data, limit=FILE_LIMIT)
    except ComitiaError as error:
        raise DamagedError(
            f"{path} is not a model file, or is damaged: {error.message}",
            code="model-damaged",
            hint="get it again with `comitia request`; the cache serves it at no cost",
            path=str(path),
        ) from error
    if file.format != FORMAT:
        raise DamagedError(
            f"{path} is of format {file.format!r}, this version reads {FORMAT!r}",
            code="model-version",
            hint="ask for it again: the cache serves it at no cost; or read it with the version that wrote it",
            path=str(path),
        )
    return file
