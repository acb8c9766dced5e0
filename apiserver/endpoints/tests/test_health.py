"""Health checks as probes and people ask them."""

from __future__ import annotations

from apiserver.apimachinery.http import Request
from apiserver.endpoints.health import Health, Unhealthy, always_healthy


async def said(health: Health, target: str) -> tuple[int, str]:
    path, _, query = target.partition("?")
    answer = await health.serve(Request("GET", path, query))
    return answer.status, answer.body_bytes().decode()


async def broken() -> None:
    raise Unhealthy("it is broken")


def checks() -> Health:
    health = Health()
    health.add("ping", always_healthy)
    health.add("etcd", broken, ("readyz",))
    return health


async def test_all_is_well() -> None:
    assert await said(checks(), "/livez") == (200, "ok")
    assert await said(checks(), "/livez?verbose") == (200, "[+]ping ok\nlivez check passed\n")


async def test_a_failure_is_shown_without_its_reason() -> None:
    assert await said(checks(), "/readyz") == (
        500,
        "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n",
    )


async def test_a_single_check_tells_its_reason() -> None:
    assert await said(checks(), "/readyz/etcd") == (500, "internal server error: it is broken\n")
    assert await said(checks(), "/readyz/ping") == (200, "ok")
    assert (await said(checks(), "/livez/etcd"))[0] == 404
    assert (await said(checks(), "/readyz/"))[0] == 404


async def test_checks_can_be_left_out() -> None:
    assert await said(checks(), "/readyz?verbose&exclude=etcd&exclude=b&exclude=a") == (
        200,
        "[+]ping ok\n[+]etcd excluded: ok\n"
        'warn: some health checks cannot be excluded: no matches for "a", "b"\nreadyz check passed\n',
    )


async def test_a_hook_is_unhealthy_until_it_is_done() -> None:
    health = Health()
    hook = health.hook("rbac/bootstrap-roles")
    assert await health.failing("readyz") == ["poststarthook/rbac/bootstrap-roles"]
    hook.met()
    assert await said(health, "/readyz/poststarthook/rbac/bootstrap-roles") == (200, "ok")
    assert "/livez/poststarthook/rbac/bootstrap-roles" in health.paths()


async def test_every_outcome_is_counted_by_check_and_path() -> None:
    health = checks()
    for target in ("/readyz", "/readyz", "/livez", "/readyz?exclude=etcd", "/readyz/etcd"):
        await said(health, target)
    text = (await health.indicators.serve(Request("GET", "/metrics/slis"))).body_bytes().decode()
    assert [line for line in text.splitlines() if line.startswith("kubernetes_")] == [
        'kubernetes_healthcheck{name="etcd",type="readyz"} 0',
        'kubernetes_healthcheck{name="ping",type="livez"} 1',
        'kubernetes_healthcheck{name="ping",type="readyz"} 1',
        'kubernetes_healthchecks_total{name="etcd",status="error",type="readyz"} 2',
        'kubernetes_healthchecks_total{name="ping",status="success",type="livez"} 1',
        'kubernetes_healthchecks_total{name="ping",status="success",type="readyz"} 3',
    ]
