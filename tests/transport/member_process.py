"""A member's transport as a process of its own, so that a test can suspend it.

Started by tests with its identity as JSON on standard input; says "ready", and then runs until it is killed.
"""

from __future__ import annotations

import json
import sys
import threading

from comitia.transport.certificates import TlsIdentity
from comitia.transport.endpoint import Endpoint
from comitia.transport.zenoh_client import ZenohClient

given = json.load(sys.stdin)
pem = {name: given[name].encode() for name in ("certificate", "private_key", "authority")}
client = ZenohClient(TlsIdentity(node=given["node"], **pem), given["chain"], Endpoint.parse(given["endpoint"]))
client.start(lambda payload: None)
sys.stdout.write("ready\n")
sys.stdout.flush()
threading.Event().wait()
