from __future__ import annotations

import pytest

from comitia.core.errors import ConfigurationError
from comitia.transport.endpoint import Endpoint


@pytest.mark.parametrize("text", ["tls/127.0.0.1:7447", "quic/node.example:1", "tls/[::1]:65535"])
def test_an_endpoint_reads_as_it_is_written(text: str) -> None:
    assert str(Endpoint.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "127.0.0.1:7447", "tcp/127.0.0.1:7447", "tls/:7447", "tls/host", "tls/host:0", "tls/host:65536", "tls/a b:1"],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Endpoint.parse(text)
    assert refused.value.code == "bad-endpoint"
    assert "tls/127.0.0.1:7447" in refused.value.hint
