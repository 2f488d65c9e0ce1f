from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from comitia.core.errors import ConfigurationError, InputError
from comitia.core.ids import NodeId
from comitia.transport import certificates

if TYPE_CHECKING:
    from conftest import Issuer

NODE, OTHER = NodeId("a" * 32), NodeId("b" * 32)
NOW = datetime.now(UTC)


def test_an_issued_certificate_passes_its_own_check(issuer: Issuer) -> None:
    summary = certificates.check_identity(issuer.identity(NODE), now=NOW)
    assert summary.name == NODE
    assert summary.issuer == "testers authority"
    assert summary.hostnames == ()
    assert summary.days_left(NOW) in (459, 460)


def test_a_super_nodes_certificate_lists_its_hostnames_and_this_machine(issuer: Issuer) -> None:
    identity = issuer.identity(NODE, listens=True, hostnames=("node.example", "10.0.0.1", "localhost"))
    summary = certificates.summarise(identity.certificate)
    assert summary.hostnames == ("localhost", "127.0.0.1", "::1", "node.example", "10.0.0.1")


def test_certificates_identify_their_issuers_key_and_say_what_they_are_for(issuer: Issuer) -> None:
    authority = x509.load_pem_x509_certificate(issuer.authority.certificate)
    for listens in (False, True):
        leaf = x509.load_pem_x509_certificate(issuer.identity(NODE, listens=listens).certificate)
        known = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        assert known.key_identifier == own.digest
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert (x509.ExtendedKeyUsageOID.SERVER_AUTH in usages) is listens
        assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_request_made_for_another_node_is_not_answered(issuer: Issuer) -> None:
    request = certificates.signing_request(OTHER, certificates.generate_private_key())
    with pytest.raises(InputError) as refused:
        certificates.issue(issuer.authority, request, NODE, now=NOW)
    assert refused.value.code == "bad-certificate-request"


def test_a_request_whose_signature_does_not_fit_is_not_answered(issuer: Issuer) -> None:
    request = x509.load_pem_x509_csr(certificates.signing_request(NODE, certificates.generate_private_key()))
    forged = bytearray(request.public_bytes(certificates.serialization.Encoding.DER))
    forged[-1] ^= 1
    armoured = x509.load_der_x509_csr(bytes(forged)).public_bytes(certificates.serialization.Encoding.PEM)
    with pytest.raises(InputError) as refused:
        certificates.issue(issuer.authority, armoured, NODE, now=NOW)
    assert refused.value.code == "bad-certificate-request"


@pytest.mark.parametrize("junk", [b"", b"junk", b"-----BEGIN CERTIFICATE REQUEST-----\n!\n"])
def test_an_unreadable_request_is_not_answered(issuer: Issuer, junk: bytes) -> None:
    with pytest.raises(InputError) as refused:
        certificates.issue(issuer.authority, junk, NODE, now=NOW)
    assert refused.value.code == "bad-certificate-request"


def test_what_is_wrong_with_an_identity_is_named(issuer: Issuer, stranger: Issuer) -> None:
    good, other, foreign = issuer.identity(NODE), issuer.identity(OTHER), stranger.identity(NODE)
    cases = {
        "wrong-certificate": [
            dataclasses.replace(good, node=OTHER),
            dataclasses.replace(good, private_key=other.private_key),
        ],
        "foreign-certificate": [dataclasses.replace(good, authority=stranger.authority.certificate)],
        "expired-certificate": [issuer.identity(NODE, days=300)],
        "bad-certificate": [
            dataclasses.replace(good, certificate=b"junk"),
            dataclasses.replace(good, private_key=b""),
            dataclasses.replace(good, authority=good.private_key),
        ],
    }
    assert certificates.check_identity(foreign, now=NOW).issuer == "strangers authority"
    for code, identities in cases.items():
        for identity in identities:
            with pytest.raises(ConfigurationError) as refused:
                certificates.check_identity(identity, now=NOW)
            assert refused.value.code == code
            assert refused.value.hint


def test_a_certificate_of_the_future_is_not_yet_valid(issuer: Issuer) -> None:
    with pytest.raises(ConfigurationError) as refused:
        certificates.check_identity(issuer.identity(NODE), now=NOW - timedelta(days=400))
    assert refused.value.code == "certificate-not-yet-valid"


def test_der_and_pem_are_two_forms_of_one_certificate(issuer: Issuer) -> None:
    der = certificates.der_from_pem(issuer.authority.certificate)
    assert certificates.pem_from_der(der) == issuer.authority.certificate
    with pytest.raises(ConfigurationError):
        certificates.pem_from_der(der[:-1])


def test_a_long_consortium_name_fits_a_certificate() -> None:
    authority = certificates.create_authority("x" * 200, now=NOW)
    assert certificates.summarise(authority.certificate).name.endswith("x authority")


def test_private_keys_stay_out_of_representations(issuer: Issuer) -> None:
    assert "PRIVATE" not in repr(issuer.authority) + repr(issuer.identity(NODE))
