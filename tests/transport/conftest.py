"""A consortium's certificates and ports, for tests of the Zenoh transport."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

import pytest

from comitia.core.ids import NodeId
from comitia.transport import certificates
from comitia.transport.certificates import Authority, TlsIdentity
from comitia.transport.endpoint import Endpoint

YEAR = timedelta(days=365)


class Issuer:
    """Issues identities of one consortium."""

    def __init__(self, name: str = "testers") -> None:
        self.authority: Authority = certificates.create_authority(name, now=datetime.now(UTC) - 2 * YEAR)

    def identity(
        self, node: NodeId, *, listens: bool = False, days: int = 825, hostnames: tuple[str, ...] = ()
    ) -> TlsIdentity:
        """An identity issued a year ago, so that `days` below 365 have run out."""
        key = certificates.generate_private_key()
        certificate = certificates.issue(
            self.authority,
            certificates.signing_request(node, key),
            node,
            now=datetime.now(UTC) - YEAR,
            listens=listens,
            days=days,
            hostnames=hostnames,
        )
        return TlsIdentity(node=node, certificate=certificate, private_key=key, authority=self.authority.certificate)


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="session")
def stranger() -> Issuer:
    """Another consortium's issuer."""
    return Issuer("strangers")


def free_endpoint() -> Endpoint:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Endpoint(protocol="tls", host="127.0.0.1", port=probe.getsockname()[1])


@pytest.fixture
def endpoint() -> Endpoint:
    """A free port of this machine."""
    return free_endpoint()


@pytest.fixture
def second_endpoint() -> Endpoint:
    """Another free port of this machine."""
    return free_endpoint()
