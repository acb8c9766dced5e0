"""Command lines of the API server: upstream's names, upstream's refusals."""

from __future__ import annotations

from dataclasses import fields

import pytest

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.features import FeatureGates, gates
from apiserver.server.flags import UsageError, usage
from apiserver.server.options import FLAGS, Options, parse_options
from apiserver.server.tests.worlds import world


def test_flags_in_every_spelling() -> None:
    options = parse_options(
        [
            "--secure-port=7443",
            "--bind-address", "127.0.0.1",
            "--etcd-servers=http://a:1,http://b:2",
            "--etcd-servers", "http://c:3",
            "--service-account-lookup=false",
            "--anonymous-auth",
            "--event-ttl=30m",
            "--service-node-port-range=1000-2000",
            "--runtime-config=api/beta=false,apps/v1=true",
            "--storage-media-type=",
            "-v", "2",
        ]
    )  # fmt: skip
    assert (options.secure_port, options.bind_address) == (7443, "127.0.0.1")
    assert options.etcd_servers == ("http://a:1", "http://b:2", "http://c:3")
    assert (options.service_account_lookup, options.anonymous_auth) == (False, True)
    assert (options.event_ttl, options.service_node_port_range) == (1800.0, (1000, 2000))
    assert options.runtime_config == (("api/beta", "false"), ("apps/v1", "true"))
    assert options.verbosity == 2


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["--nope"], "unknown flag: --nope"),
        (["--nope=1"], "unknown flag: --nope"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["--secure-port=x"], 'invalid argument "x" for "--secure-port" flag: strconv.ParseInt: parsing "x": invalid syntax'),
        (["--secure-port"], "flag needs an argument: --secure-port"),
        (["--secure-port=70000"], "--secure-port 70000 must be between 0 and 65535, inclusive"),
        (["--anonymous-auth=z"], 'invalid argument "z" for "--anonymous-auth" flag: strconv.ParseBool: parsing "z": invalid syntax'),
        (["--bind-address=zz"], 'invalid argument "zz" for "--bind-address" flag: failed to parse IP: "zz"'),
        (["--event-ttl=zz"], 'invalid argument "zz" for "--event-ttl" flag: time: invalid duration "zz"'),
        (["foo"], '"pocketkube apiserver" does not take any arguments, got ["foo"]'),
        (["--feature-gates=Foo=true"], "unrecognized feature gate: Foo"),
        (["--feature-gates=WatchList"], "missing bool value for WatchList"),
        (["--feature-gates=WatchList=y"], 'invalid value of WatchList=y, err: strconv.ParseBool: parsing "y": invalid syntax'),
        (["--authorization-mode=Foo"], 'authorization-mode "Foo" is not a valid mode'),
        (["--storage-media-type=text/plain"], '--storage-media-type "text/plain" invalid, must be one of application/json'),
        (["--tls-cert-file=a"], "--tls-cert-file and --tls-private-key-file go together"),
        (["--data-dir=a", "--etcd-servers=b"], "--etcd-servers and --data-dir exclude each other: objects live in one place"),
    ],
)  # fmt: skip
def test_what_is_refused_is_named(arguments: list[str], refusal: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_options(arguments)
    assert str(error.value) == refusal


def test_several_problems_are_told_together() -> None:
    with pytest.raises(
        UsageError, match=r'^\[authorization-mode "Foo" is not a valid mode, unrecognized feature gate: Bar\]$'
    ):
        parse_options(["--authorization-mode=Foo", "--feature-gates=Bar=1"])


def test_every_flag_sets_an_option_and_is_told_by_help() -> None:
    names = {field.name for field in fields(Options)}
    assert {flag.option for flag in FLAGS} == names
    assert all(f"--{flag.name}" in usage(FLAGS) for flag in FLAGS)


def test_feature_gates_know_upstreams_defaults_and_stages() -> None:
    assert len(gates()) > 200
    plain = FeatureGates()
    assert plain.enabled("WatchList")
    alpha = next(name for name, gate in gates().items() if gate.stage == "ALPHA")
    assert not plain.enabled(alpha)
    assert FeatureGates([("AllAlpha", True)]).enabled(alpha)
    assert not FeatureGates([("AllAlpha", True), (alpha, False)]).enabled(alpha)
    with pytest.raises(KeyError):
        plain.enabled("Nope")


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(UsageError, match="cannot read /nowhere: No such file"):
        Options().read("/nowhere")


def test_admission_plugins_are_told_the_flags() -> None:
    flags = parse_options(["--default-not-ready-toleration-seconds=5", "--default-unreachable-toleration-seconds=6"])
    given = {field: value for field, value in vars(flags).items() if field.startswith("default_")}

    async def main() -> None:
        async with world(options=given) as w:
            account = {"metadata": {"name": "default"}}
            await w.ask("POST", "/api/v1/namespaces/default/serviceaccounts", account)
            pod = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
            status, created = await w.ask("POST", "/api/v1/namespaces/default/pods", pod)
            assert status == 201, created
            assert [each["tolerationSeconds"] for each in created["spec"]["tolerations"]] == [5, 6]

    run_virtual(main())
