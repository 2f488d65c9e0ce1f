"""Where a super node is reached: protocol, host and port."""

from __future__ import annotations

import re
from dataclasses import dataclass

from comitia.core.errors import ConfigurationError

_FORM = re.compile(r"(?P<protocol>tls|quic)/(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[^/:\[\]\s]+)):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Address of a super node, written `tls/HOST:PORT` or `quic/HOST:PORT`.

    Attributes
    ----------
    protocol : str
        "tls" (over TCP) or "quic".
    host : str
        Name or address; an IPv6 address without its brackets.
    port : int
        1 to 65535.
    """

    protocol: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read the written form; ConfigurationError `bad-endpoint` if it is something else."""
        match = _FORM.fullmatch(text)
        if match is None or not 1 <= int(match["port"]) <= 65535:
            raise ConfigurationError(
                f"{text!r} is not a super node's address.",
                code="bad-endpoint",
                hint="Write tls/HOST:PORT or quic/HOST:PORT, such as tls/127.0.0.1:7447.",
                endpoint=text,
            )
        return cls(protocol=match["protocol"], host=match["ipv6"] or match["host"], port=int(match["port"]))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol}/{host}:{self.port}"
