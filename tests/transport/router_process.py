"""A super node's transport as a process of its own: echoes to whom the first 32 characters of a payload name.

Started by tests with its identity as JSON on standard input; says "ready", and then runs until it is killed or, with
the argument "fail", fails without closing anything.
"""

from __future__ import annotations

import json
import sys
import threading

from comitia.core.ids import NodeId
from comitia.transport.certificates import TlsIdentity
from comitia.transport.endpoint import Endpoint
from comitia.transport.zenoh_router import ZenohRouter

given = json.load(sys.stdin)
pem = {name: given[name].encode() for name in ("certificate", "private_key", "authority")}
identity = TlsIdentity(node=given["node"], **pem)
router = ZenohRouter(
    identity,
    given["chain"],
    Endpoint.parse(given["endpoint"]),
    super_nodes=[identity.node],
    members=given["members"],
)
router.start(lambda payload: router.send(NodeId(payload[:32].decode()), payload[32:]))
sys.stdout.write("ready\n")
sys.stdout.flush()
if "fail" in sys.argv:
    raise SystemExit(5)
threading.Event().wait()
