"""What etcd and the way to it can answer, apart from success."""

from __future__ import annotations

from apiserver.storage.interface import StorageError, Unavailable

# gRPC codes, as the gateway passes them on.
DEADLINE_EXCEEDED, NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED = 4, 5, 7, 8
OUT_OF_RANGE, UNAVAILABLE, UNAUTHENTICATED = 11, 14, 16


class RpcError(StorageError):
    """etcd refused a call. `message` is its own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def is_compacted(self) -> bool:
        return self.code == OUT_OF_RANGE and "compacted" in self.message

    @property
    def is_future(self) -> bool:
        return self.code == OUT_OF_RANGE and "future" in self.message

    @property
    def wants_token(self) -> bool:
        """The token has ended, or the users have changed since it was given."""
        return self.code == UNAUTHENTICATED or "revision of auth store is old" in self.message

    @property
    def is_temporary(self) -> bool:
        return self.code in (UNAVAILABLE, DEADLINE_EXCEEDED)


class Unreachable(Unavailable):
    """No answer came. `sent` is False when the request certainly never reached etcd."""

    def __init__(self, message: str, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class TooLarge(StorageError):
    """etcd takes values up to its --max-request-bytes, 1.5 MB by default."""


def unavailable(error: RpcError) -> StorageError:
    """What a caller is told of a refusal that is not about revisions."""
    if "too large" in error.message or "larger than max" in error.message:
        return TooLarge(error.message)
    if error.code == RESOURCE_EXHAUSTED:
        return Unavailable(f"etcd is out of space ({error.message}): compact, defragment and disarm its alarm")
    return Unavailable(f"etcd: {error.message}")
