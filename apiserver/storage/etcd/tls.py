"""TLS towards etcd, from files."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from apiserver.storage.interface import Unavailable


@dataclass(frozen=True)
class TLS:
    """Files: the authority that signed etcd's certificate, and what we show it."""

    ca: str = ""
    cert: str = ""
    key: str = ""

    def context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
            if self.cert:
                context.load_cert_chain(self.cert, self.key or None)
        except OSError as e:
            files = ", ".join(file for file in (self.ca, self.cert, self.key) if file)
            raise Unavailable(f"etcd: cannot use the TLS files {files}: {e.strerror or e}") from e
        return context
