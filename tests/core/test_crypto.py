"""What is remembered of signatures, and that nothing else counts as one."""

from __future__ import annotations

import pytest

from comitia.core import crypto
from comitia.core.crypto import SigningKey, verify

KEY, OTHER = (SigningKey.from_bytes(bytes([number]) * 32) for number in (1, 2))


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    crypto._remembered.clear()


def test_a_signature_holds_for_its_key_and_message_alone_whether_it_is_remembered_or_not() -> None:
    signature = KEY.sign(b"message")
    for _ in range(2):
        assert verify(KEY.public, b"message", signature)
        assert not verify(OTHER.public, b"message", signature)
        assert not verify(KEY.public, b"massage", signature)
        assert not verify(KEY.public, b"message", bytes(64))
        crypto._remembered.clear()


def test_answers_are_remembered_up_to_a_number_and_a_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "MOST_REMEMBERED", 3)
    for number in range(10):
        assert not verify(KEY.public, bytes([number]), bytes(64))
        assert 1 <= len(crypto._remembered) <= 3
    crypto._remembered.clear()
    long = bytes(crypto.LONGEST_REMEMBERED + 1)
    assert verify(KEY.public, long, KEY.sign(long))
    assert not crypto._remembered


def test_a_node_does_not_check_again_what_it_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    signature = KEY.sign(b"message")
    monkeypatch.setattr(crypto, "_verify", lambda *_: pytest.fail("checked"))
    assert verify(KEY.public, b"message", signature)
