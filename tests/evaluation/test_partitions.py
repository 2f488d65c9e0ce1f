from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.core.errors import InputError
from comitia.evaluation.partitions import share_out
from comitia.text.documents import Document


def documents(count: int, labels: int = 4) -> list[Document]:
    return [Document(text="", label=f"{row % labels}", provider=f"p{row % 3}") for row in range(count)]


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@settings(max_examples=50)
@given(
    count=st.integers(0, 60),
    scheme=st.sampled_from(["sorted", "iid", "dirichlet:0.1", "dirichlet:10", "provider"]),
    providers=st.integers(1, 9),
    seed=st.integers(0, 5),
)
def test_every_document_is_shared_out_once(count: int, scheme: str, providers: int, seed: int) -> None:
    shares = share_out(documents(count), scheme, providers=providers, generator=generator(seed))
    assert sorted(np.concatenate([np.empty(0, dtype=np.int64), *shares]).tolist()) == list(range(count))
    assert all(len(share) for share in shares)


def test_we_divide_the_sorted_dataset_into_shards_and_recombine_the_shards_into_subsets() -> None:
    listed = documents(400, labels=20)
    shares = share_out(listed, "sorted", providers=10, generator=generator())
    held = [{listed[row].label for row in share} for share in shares]
    assert max(len(labels) for labels in held) <= 4
    assert len(shares) == 10


def test_by_provider_follows_the_documents() -> None:
    listed = documents(30)
    for share in share_out(listed, "provider", providers=1, generator=generator()):
        assert len({listed[row].provider for row in share}) == 1


@pytest.mark.parametrize("scheme", ["random", "sorted:3", "dirichlet", "dirichlet:-1", "dirichlet:nan", "dirichlet:x"])
def test_an_unknown_scheme_is_refused(scheme: str) -> None:
    with pytest.raises(InputError):
        share_out(documents(9), scheme, providers=3, generator=generator())


def test_documents_without_a_provider_cannot_be_shared_out_by_it() -> None:
    with pytest.raises(InputError) as caught:
        share_out([Document(text="", label="a")], "provider", providers=1, generator=generator())
    assert caught.value.code == "no-provider"
