"""What is no resource: documents and probes by exact path, prefixes, and the list of all paths at `/`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from apiserver.apimachinery.codec.negotiate import JSON
from apiserver.apimachinery.http import Handler, Request, Response
from apiserver.endpoints.responses import encode_json, method_not_allowed
from apiserver.endpoints.routing import accepts, not_acceptable


class Paths:
    """The non-resource paths. Upstream has two kinds, and both are here:

    - `handle`, `handle_prefix`: its plain mux: any method, the exact path (or everything below a prefix);
    - `document`: its go-restful services: GET only (405 otherwise) and for who accepts what they produce (406), a trailing
      slash makes no difference.
    """

    def __init__(self) -> None:
        self._exact: dict[str, Handler] = {}
        self._documents: dict[str, tuple[Handler, str]] = {}
        self._prefixes: list[tuple[str, Handler]] = []
        self._finders: list[Callable[[Request], Handler | None]] = []
        self._listed: list[Callable[[], Iterable[str]]] = []
        self.handle("/", self._index)
        self.handle("/index.html", self._index, listed=False)

    def handle(self, path: str, handler: Handler, *, listed: bool = True) -> None:
        self._exact[path] = handler
        if listed and path != "/":
            self.list_also(lambda: (path,))

    def handle_prefix(self, prefix: str, handler: Handler, *, listed: bool = True) -> None:
        """`prefix` ends with a slash."""
        self._prefixes.append((prefix, handler))
        if listed:
            self.list_also(lambda: (prefix,))

    def document(self, path: str, handler: Handler, *, produces: str = JSON, listed: bool = True) -> None:
        self._documents[path] = (handler, produces)
        if listed:
            self.list_also(lambda: (path,))

    def finder(self, find: Callable[[Request], Handler | None], paths: Callable[[], Iterable[str]]) -> None:
        """Documents that come and go: `find` is asked after the fixed ones, `paths` names them at `/`."""
        self._finders.append(find)
        self.list_also(paths)

    def list_also(self, paths: Callable[[], Iterable[str]]) -> None:
        """Name more paths at `/`, as they are when somebody asks."""
        self._listed.append(paths)

    def find(self, request: Request) -> Handler | None:
        """The handler of a path; raises 405 where a document exists and the method does not, 406 for what it cannot be."""
        path = request.path
        if (handler := self._exact.get(path)) is not None:
            return handler
        if (document := self._documents.get(path.rstrip("/"))) is not None and not path.startswith("//"):
            handler, produces = document
            if request.method != "GET":
                raise method_not_allowed()
            if not accepts(request.headers.get("accept", ""), (produces,)):
                raise not_acceptable((produces,))
            return handler
        for find in self._finders:
            if (handler := find(request)) is not None:
                return handler
        return next((handler for prefix, handler in self._prefixes if path.startswith(prefix)), None)

    async def _index(self, request: Request) -> Response:
        paths = sorted({path for listed in self._listed for path in listed()})
        return Response(200, encode_json({"paths": paths}, pretty=True), JSON)
