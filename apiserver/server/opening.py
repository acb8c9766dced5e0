"""Opens the storage that the options name: the embedded store in a directory, or etcd."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from apiserver.apimachinery.clock import Clock
from apiserver.server.flags import UsageError
from apiserver.server.options import Options
from apiserver.storage.interface import Storage, Unavailable


async def open_storage(options: Options, clock: Clock) -> Storage:
    """The storage, connected; raises UsageError with what the user can do."""
    for option, open_it in STORES.items():
        if getattr(options, option):
            return await open_it(options, clock)
    raise UsageError("name a store: --etcd-servers URL[,URL…], or --data-dir DIR for the embedded one")


async def _embedded(options: Options, clock: Clock) -> Storage:
    from apiserver.storage.embedded import CorruptStore, DirectoryInUse, EmbeddedStorage

    try:
        return await EmbeddedStorage.open(options.data_dir, clock)
    except (CorruptStore, DirectoryInUse, Unavailable) as e:
        raise UsageError(str(e)) from e


async def _etcd(options: Options, clock: Clock) -> Storage:
    from apiserver.storage.etcd import TLS, EtcdStorage

    tls = TLS(options.etcd_cafile, options.etcd_certfile, options.etcd_keyfile)
    secure = any(url.startswith("https:") for url in options.etcd_servers)
    prefix = options.etcd_prefix.rstrip("/")
    try:
        return await EtcdStorage.connect(options.etcd_servers, clock, prefix=prefix, tls=tls if secure else None)
    except Unavailable as e:
        raise UsageError(f"etcd does not answer at {','.join(options.etcd_servers)}: {e}") from e


# The option that names a store → what opens it.
STORES: dict[str, Callable[[Options, Clock], Awaitable[Storage]]] = {"etcd_servers": _etcd, "data_dir": _embedded}
