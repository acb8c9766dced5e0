"""The etcd store: etcd's v3 API over its JSON gateway behind the Storage interface."""

from apiserver.storage.etcd.storage import EtcdStorage
from apiserver.storage.etcd.tls import TLS

__all__ = ["TLS", "EtcdStorage"]
