"""Who is let in by which options."""

from __future__ import annotations

import pytest

from apiserver.server.tests.wires import socket_world


@pytest.mark.parametrize("credentials", ["", "Basic YmFkOndyb25n", "Bearer unknown"])
async def test_where_everything_is_allowed_nobody_is_anonymous(credentials: str) -> None:
    async with socket_world() as (_, wire):
        assert (await wire.ask("GET", "/api/v1/namespaces/kube-system", Authorization=credentials)).status == 401
        assert (await wire.ask("GET", "/api/v1/namespaces/kube-system")).status == 200
