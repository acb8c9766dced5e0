"""The non-resource paths of an API server: version, health, metrics, tokens' keys, discovery, OpenAPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from apiserver.apimachinery.http import Handler, Request, Response
from apiserver.auth.serviceaccount import (
    JWKS_CONTENT_TYPE,
    JWKS_PATH,
    OPENID_CACHE_CONTROL,
    OPENID_CONFIG_PATH,
    OpenIDMetadata,
)
from apiserver.endpoints import slis
from apiserver.endpoints.discovery_paths import Discovery
from apiserver.endpoints.health import Health
from apiserver.endpoints.index import Paths
from apiserver.endpoints.metrics import Metrics
from apiserver.endpoints.openapi_paths import OpenAPI
from apiserver.endpoints.version import VersionHandler

if TYPE_CHECKING:
    from apiserver.server.server import APIServer

_JSON = "application/json"


def install_documents(server: APIServer) -> None:
    paths = server.paths
    paths.document("/version", VersionHandler())
    install_metrics(paths, server.metrics)
    install_discovery(server)
    install_openapi(server)
    if server.security is not None and server.security.openid is not None:
        install_openid(paths, server.security.openid)


def install_openapi(server: APIServer) -> None:
    """What everything served looks like; it follows the installer."""
    openapi = OpenAPI(lambda: [installed.resource for installed in server.installer], server.clock)
    server.installer.on_change(openapi.changed)
    server.paths.finder(openapi.find, openapi.paths)


def install_metrics(paths: Paths, metrics: Metrics) -> None:
    paths.handle("/metrics", metrics.serve)


def install_discovery(server: APIServer) -> None:
    """What is served, by group and version; it follows the installer."""
    discovery = Discovery(lambda: [installed.resource for installed in server.installer], lambda: server.address)
    server.installer.on_change(discovery.changed)
    server.paths.finder(discovery.find, discovery.paths)


def install_health(paths: Paths, health: Health) -> None:
    """Call it when every check is there."""
    for path in health.paths():
        paths.handle(path, health.serve)
    paths.handle(slis.PATH, health.indicators.serve)


def install_openid(paths: Paths, metadata: OpenIDMetadata) -> None:
    """What others verify our service-account tokens by."""
    paths.document(OPENID_CONFIG_PATH, _static(lambda: metadata.configuration, _JSON))
    paths.document(JWKS_PATH, _static(lambda: metadata.jwks, JWKS_CONTENT_TYPE), produces=JWKS_CONTENT_TYPE)


def _static(body: Callable[[], bytes], content_type: str) -> Handler:
    async def serve(request: Request) -> Response:
        return Response(200, body(), content_type, [("Cache-Control", OPENID_CACHE_CONTROL)])

    return serve
