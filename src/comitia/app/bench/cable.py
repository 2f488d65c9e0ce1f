"""A TCP connection that can be cut or silenced: what stands between a node and its super node, on this machine."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

CHUNK = 1 << 16


class Cable:
    """Passes bytes on to a port of the loopback interface, unless it is cut.

    Parameters
    ----------
    port : int
        Where the other end is.

    Attributes
    ----------
    end : port that the cable takes connections at.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._cut = False
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._silent: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.end = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True, name="cable").start()

    def cut(self) -> None:
        """End every connection, and take none until `mend`."""
        with self._lock:
            self._cut = True
            ended, self._open = self._open, set()
        for end in ended:
            _end(end)

    def silence(self) -> None:
        """Swallow from now on what comes over the connections that there are; new ones are as any."""
        with self._lock:
            self._silent |= self._open

    def mend(self) -> None:
        with self._lock:
            self._cut = False

    def close(self) -> None:
        self.cut()
        _end(self._listener)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._port), timeout=5)
                far.settimeout(None)
            except OSError:
                _end(near)
                continue
            with self._lock:
                if self._cut:
                    _end(near)
                    _end(far)
                    continue
                self._open |= {near, far}
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True, name="cable").start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                if source not in self._silent:
                    target.sendall(data)
        with self._lock:
            self._open -= {source, target}
            self._silent -= {source, target}
        _end(source)
        _end(target)


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
