"""Zenoh's configuration: mutual TLS with the consortium's certificates, nothing found that was not configured."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Final

from comitia.core.ids import NodeId
from comitia.transport.access import access_control
from comitia.transport.certificates import TlsIdentity
from comitia.transport.contract import MAX_PAYLOAD
from comitia.transport.endpoint import Endpoint

ROUTER_PATIENCE_S: Final = 2.0
"""How long who sends waits for a member that has stopped reading, until its link is given up."""

CLIENT_PATIENCE_S: Final = 10.0
"""Longer than the router's, or who sends to a member that stopped reading would be cut off with it."""

RETRY_FIRST_MS: Final = 20
RETRY_LONGEST_MS: Final = 2000
_ENVELOPE_ALLOWANCE: Final = 64 * 1024

_RETRY = {
    "period_init_ms": RETRY_FIRST_MS,
    "period_max_ms": RETRY_LONGEST_MS,
    "period_increase_factor": 2,
}


def client_config(identity: TlsIdentity, endpoint: Endpoint) -> dict[str, object]:
    """Zenoh's configuration of a client: one attempt to connect, then, once connected, for ever again."""
    connect = {"endpoints": [str(endpoint)], "timeout_ms": 0, "exit_on_failure": True, "retry": _RETRY}
    return _config(identity, "client", endpoint) | {"connect": connect}


def router_config(
    identity: TlsIdentity,
    chain: str,
    endpoint: Endpoint,
    *,
    super_nodes: Iterable[NodeId],
    members: Iterable[NodeId],
    peers: Iterable[Endpoint],
) -> dict[str, object]:
    """Zenoh's configuration of a router: it listens, relays by rules of access, and dials its peers for ever."""
    return _config(identity, "router", endpoint) | {
        "listen": {"endpoints": [str(endpoint)], "timeout_ms": 0, "exit_on_failure": True},
        "access_control": access_control(chain, super_nodes, members),
        "connect": {
            "endpoints": [str(peer) for peer in peers],
            "timeout_ms": -1,
            "exit_on_failure": False,
            "retry": _RETRY,
        },
    }


def _config(identity: TlsIdentity, mode: str, endpoint: Endpoint) -> dict[str, object]:
    certificate, private_key = _base64(identity.certificate), _base64(identity.private_key)
    tls: dict[str, object] = {
        "root_ca_certificate_base64": _base64(identity.authority),
        "connect_certificate_base64": certificate,
        "connect_private_key_base64": private_key,
        "enable_mtls": True,
        "verify_name_on_connect": True,
        "close_link_on_expiration": True,
    }
    if mode == "router":
        tls |= {"listen_certificate_base64": certificate, "listen_private_key_base64": private_key}
    patience_s = ROUTER_PATIENCE_S if mode == "router" else CLIENT_PATIENCE_S
    return {
        "mode": mode,
        # The delay is for scouting to find something; there is none, and it costs half a second.
        "scouting": {"multicast": {"enabled": False}, "gossip": {"enabled": False}, "delay": 0},
        "transport": {
            "shared_memory": {"enabled": False},
            "link": {
                "protocols": [endpoint.protocol],
                "rx": {"max_message_size": MAX_PAYLOAD + _ENVELOPE_ALLOWANCE},
                "tx": {
                    "queue": {"congestion_control": {"block": {"wait_before_close": round(patience_s * 1_000_000)}}}
                },
                "tls": tls,
            },
        },
    }


def _base64(pem: bytes) -> str:
    return base64.b64encode(pem).decode("ascii")
