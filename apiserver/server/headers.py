"""Request headers straight from the parser's multidict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver.apimachinery.http import Headers


class FrontHeaders(Headers):
    """Request headers straight from the parser's multidict: nothing is copied until somebody asks."""

    __slots__ = ("_multi",)

    def __init__(self, multi: Any) -> None:
        self._multi = multi

    def __getitem__(self, key: str) -> str:
        return self._multi[key]  # type: ignore[no-any-return]

    def get(self, key: str, default: Any = None) -> Any:
        return self._multi.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._multi

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name in self._multi))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def all(self, key: str) -> list[str]:
        return self._multi.getall(key, [])  # type: ignore[no-any-return]

    def pairs(self) -> list[tuple[str, str]]:
        return [(name.lower(), value) for name, value in self._multi.items()]

    def any_starts_with(self, prefix: str) -> bool:
        first, length = prefix[0], len(prefix)
        for name in self._multi:  # noqa: SIM110  # a generator costs more than the whole loop
            if name[0].lower() == first and name[:length].lower() == prefix:
                return True
        return False
