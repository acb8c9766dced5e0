"""Small stand-ins for what surrounds the request path."""

from __future__ import annotations

from apiserver.apimachinery.http import ANONYMOUS, Frame, Request, Response, UserInfo
from apiserver.auth.interface import ALLOW, NO_OPINION, AuthenticationError, AuthorizerAttributes, Decision
from apiserver.endpoints.installer import Installed, Installer, Verbs
from apiserver.registry.resource import ALL_VERBS, Resource, ServedVersion, Subresource
from apiserver.registry.strategy import Strategy


def resource(group: str, plural: str, kind: str, *versions: str, namespaced: bool = True, **more: object) -> Resource:
    served = tuple(ServedVersion(v) for v in versions or ("v1",))
    return Resource(
        group=group,
        plural=plural,
        kind=kind,
        versions=served,
        storage_version=served[0].name,
        strategy=Strategy(),
        namespaced=namespaced,
        **more,  # type: ignore[arg-type]
    )


PODS = resource(
    "",
    "pods",
    "Pod",
    subresources=(
        Subresource(name="status"),
        Subresource(name="log", verbs=("get",)),
        Subresource(name="binding", verbs=("create",)),
        Subresource(name="exec", verbs=("connect",)),
        Subresource(name="proxy", verbs=("connect",)),
    ),
)
NODES = resource("", "nodes", "Node", namespaced=False, subresources=(Subresource(name="status"),))
NAMESPACES = resource(
    "",
    "namespaces",
    "Namespace",
    namespaced=False,
    verbs=tuple(v for v in ALL_VERBS if v != "deletecollection"),
    subresources=(Subresource(name="status"), Subresource(name="finalize", verbs=("update",))),
)
DEPLOYMENTS = resource("apps", "deployments", "Deployment")
REVIEWS = resource("authorization.k8s.io", "subjectaccessreviews", "Review", namespaced=False, verbs=("create",))


class Ended:
    """Remembers which stores were ended."""

    def __init__(self) -> None:
        self.stores: list[str] = []

    def __call__(self, store: str) -> None:
        self.stores.append(store)


def verbs_that_tell(installed: Installed, version: str, subresource: Subresource | None) -> Verbs:
    """Handlers that answer with the verb they are for."""
    names = installed.resource.verbs if subresource is None else subresource.verbs
    where = f"{installed.resource.plural}/{subresource.name}" if subresource else installed.resource.plural

    def handler(verb: str):  # type: ignore[no-untyped-def]
        async def answer(request: Request) -> Response:
            return Response(200, f"{verb} {version} {where} {installed.resource.generation}".encode(), "text/plain")

        return answer

    return {name: handler(name) for name in names}


def installer(*resources: Resource) -> tuple[Installer, Ended]:
    ended = Ended()
    made = Installer(lambda r: f"store of {r.plural} {r.generation}", verbs_that_tell, ended)
    for each in resources:
        made.install(each)
    return made, ended


class Names:
    """Authenticates by the X-User header: `bad` is a wrong credential, none is anonymous, `nobody` unknown."""

    async def authenticate(self, request: Request) -> UserInfo | None:
        name = request.headers.get("x-user", "")
        if name == "bad":
            raise AuthenticationError("no such token")
        if name == "nobody":
            return None
        return UserInfo(name, ("system:authenticated",)) if name else ANONYMOUS


class AllowedNames:
    """Allows everything to some users."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.asked: list[AuthorizerAttributes] = []

    async def authorize(self, attributes: AuthorizerAttributes) -> Decision:
        self.asked.append(attributes)
        return Decision(ALLOW if attributes.user.name in self.names else NO_OPINION)


class CollectingSink:
    """A Sink that keeps what is written; `drain` runs a callback."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.drains = 0

    def write(self, frame: Frame) -> None:
        self.payloads.append(frame.payload)

    def buffered(self) -> int:
        return 0

    async def drain(self) -> None:
        self.drains += 1

    async def wait_closed(self) -> None:
        return None
