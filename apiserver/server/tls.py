"""TLS of the front: one serving certificate, client certificates optional and checked against the given authorities.

Where Go answers an unknown client authority with 401, Python's ssl ends the handshake: see docs/known-flaws.md.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence


def server_context(cert_file: str, key_file: str, client_cas: Sequence[str]) -> ssl.SSLContext:
    """A context for the front. `client_cas`: PEM texts of the authorities whose client certificates are let in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(cert_file, key_file)
    if client_cas:
        context.load_verify_locations(cadata="\n".join(client_cas))
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
