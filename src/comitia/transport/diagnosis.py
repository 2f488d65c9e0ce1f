"""Why a connection failed, in words that say what to do.

The transport reports only that it could not connect or listen. These functions go the same way step by step with
the standard library, whose errors name the cause. They run after a failure, or for `comitia doctor`.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from datetime import UTC, datetime

from comitia.core.errors import ComitiaError, ConfigurationError, UnavailableError
from comitia.transport.certificates import TlsIdentity, check_identity
from comitia.transport.endpoint import Endpoint

TIMEOUT_S = 3.0
_EXPIRED = 10  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED
_NAME_MISMATCH = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


def diagnose_connection(identity: TlsIdentity, endpoint: Endpoint, *, now: datetime | None = None) -> ComitiaError:
    """Say why this node cannot connect to the super node at `endpoint`.

    Steps, the first that fails being the cause:

    1. this node's own certificate;
    2. reaching the port;
    3. the super node's certificate, judged by the consortium's authority;
    4. none of these: the super node itself ended the connection.
    """
    try:
        check_identity(identity, now=now or datetime.now(UTC))  # 1
        if endpoint.protocol == "tls":
            _check_super_node(identity, endpoint)  # 2, 3
    except ComitiaError as error:
        return error
    return UnavailableError(  # 4
        f"The super node at {endpoint} answers but does not take the connection.",
        code="super-node-refuses",
        hint="Look at the super node's log; check the clocks of both machines.",
        endpoint=str(endpoint),
    )


def diagnose_listening(endpoint: Endpoint, reported: str) -> ComitiaError:
    """Say why this super node cannot listen on `endpoint`; `reported` is what the transport said."""
    kind = socket.SOCK_STREAM if endpoint.protocol == "tls" else socket.SOCK_DGRAM
    try:
        family, _, _, _, address = socket.getaddrinfo(endpoint.host, endpoint.port, type=kind)[0]
        with socket.socket(family, kind) as probe:
            if os.name == "posix":  # elsewhere the option would let the probe share a port that is in use
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return UnavailableError(
                f"Port {endpoint.port} of {endpoint.host} is in use by another program.",
                code="port-in-use",
                hint="Stop that program (is this super node running already?) or choose another port.",
                port=endpoint.port,
                host=endpoint.host,
            )
        reported = str(error)
    return UnavailableError(
        f"Cannot listen on {endpoint}: {reported}",
        code="cannot-listen",
        hint="Check that the address belongs to this machine and that the port is allowed to this user.",
        endpoint=str(endpoint),
    )


def _check_super_node(identity: TlsIdentity, endpoint: Endpoint) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=identity.authority.decode("ascii"))
    try:
        # No certificate is shown: under TLS 1.3 the super node's has been judged before it could ask for ours.
        with (
            socket.create_connection((endpoint.host, endpoint.port), timeout=TIMEOUT_S) as connection,
            context.wrap_socket(connection, server_hostname=endpoint.host),
        ):
            return
    except ssl.SSLCertVerificationError as error:
        raise _bad_super_node(error, endpoint) from error
    except ssl.SSLError as error:
        raise UnavailableError(
            f"What answers at {endpoint} is not a super node ({error.reason or 'no TLS'}).",
            code="not-a-super-node",
            hint="Check host and port.",
            endpoint=str(endpoint),
        ) from error
    except OSError as error:
        raise UnavailableError(
            f"No super node can be reached at {endpoint}: {error.strerror or error}.",
            code="super-node-unreachable",
            hint="Is it running? Start it with `comitia super-node DIR`, or check host, port and firewall.",
            endpoint=str(endpoint),
        ) from error


def _bad_super_node(error: ssl.SSLCertVerificationError, endpoint: Endpoint) -> ComitiaError:
    if error.verify_code == _EXPIRED:
        return UnavailableError(
            f"The certificate of the super node at {endpoint} has expired.",
            code="super-node-certificate-expired",
            hint="Its operator must renew it; check this machine's clock too.",
            endpoint=str(endpoint),
        )
    if error.verify_code in _NAME_MISMATCH:
        return ConfigurationError(
            f"The certificate of the super node at {endpoint} is not valid for the name {endpoint.host}.",
            code="super-node-name-mismatch",
            hint="Use a name that its certificate lists, or have it issued again with this one.",
            endpoint=str(endpoint),
        )
    return ConfigurationError(
        f"The super node at {endpoint} belongs to another consortium: {error.verify_message}.",
        code="foreign-super-node",
        hint="Check the endpoint against this consortium's genesis file.",
        endpoint=str(endpoint),
    )
