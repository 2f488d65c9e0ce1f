"""III-C: requester, provider, super node as state machines without I/O, and every message they exchange."""
