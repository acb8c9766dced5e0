"""From the API server to a kubelet and back, over real sockets on the loopback."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kubelet.node.server.access import ServerOptions
from kubelet.process import Options
from kubelet.tests.worlds import NodeWorld, node_world, pod_of

PODS = "/api/v1/namespaces/default/pods"
NO_LOG = 'container "c" of this simulated node does not really run, so it has no log; '


def _write(path: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    path.with_suffix(".crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.with_suffix(".key").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))


def client_pair(directory: Path, name: str, user: str) -> None:
    """An authority of its own and a client's certificate of it: <name>-ca.crt, <name>.crt, <name>.key."""
    now, authority, key = (
        datetime.now(UTC),
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} authority")])

    def certificate(subject: x509.Name, public: Any, *, ca: bool) -> x509.Certificate:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(minutes=1))
        made = made.not_valid_after(now + timedelta(hours=1))
        made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        return made.sign(authority, hashes.SHA256())

    _write(directory / f"{name}-ca", authority, certificate(issuer, authority.public_key(), ca=True))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user)])
    _write(directory / name, key, certificate(subject, key.public_key(), ca=False))


def served(tmp_path: Path, user: str = "kube-apiserver-kubelet-client") -> tuple[Options, dict[str, Any]]:
    """(options of the kubelets, of the API server)."""
    client_pair(tmp_path, "client", user)
    server = ServerOptions(port=0, client_ca_file=str(tmp_path / "client-ca.crt"))
    options = Options(simulated_nodes=2, server=server, cert_dir=tmp_path / "pki")
    api = {
        "kubelet_client_certificate": str(tmp_path / "client.crt"),
        "kubelet_client_key": str(tmp_path / "client.key"),
        "kubelet_preferred_address_types": ("ExternalDNS", "InternalIP"),
    }
    return options, api


async def running_pod(nodes: NodeWorld) -> None:
    await nodes.create(pod_of(node="node-1"))
    await nodes.wait_phase("Running", timeout=10)


def test_logs_say_that_no_container_runs(tmp_path: Path) -> None:
    async def main() -> None:
        options, api = served(tmp_path)
        async with node_world(options, server_options=api) as nodes:
            await running_pod(nodes)
            status, answer = await nodes.world.ask("GET", f"{PODS}/p/log")
            assert (status, answer["reason"]) == (400, "BadRequest")
            assert answer["message"].startswith(NO_LOG)
            status, answer = await nodes.world.ask("GET", f"{PODS}/p/log?previous=true")
            assert answer["message"].strip() == 'previous terminated container "c" in pod "p" not found'

    asyncio.run(main())


def test_exec_attach_and_port_forward_are_refused_before_the_upgrade(tmp_path: Path) -> None:
    async def main() -> None:
        options, api = served(tmp_path)
        async with node_world(options, server_options=api) as nodes:
            await running_pod(nodes)
            for what, word in (
                ("exec?command=ls&stdout=true", "execute"),
                ("attach?stdout=true", "attach"),
                ("portforward?ports=80", "forward"),
            ):
                target = f"{PODS}/p/{what}"
                response = await nodes.world.send("POST", target, Connection="Upgrade", Upgrade="SPDY/3.1")
                text = (await response.read()).decode()
                assert response.status == 501, (response.status, text)
                assert "does not really run" in text and word in text

    asyncio.run(main())


def test_a_node_is_read_through_the_proxy(tmp_path: Path) -> None:
    async def main() -> None:
        options, api = served(tmp_path)
        async with node_world(options, server_options=api) as nodes:
            await running_pod(nodes)
            summary = await nodes.ask("GET", "/api/v1/nodes/node-1/proxy/stats/summary")
            assert summary["node"]["nodeName"] == "node-1"
            assert [each["podRef"]["name"] for each in summary["pods"]] == ["p"]
            other = await nodes.ask("GET", "/api/v1/nodes/node-2/proxy/stats/summary")
            assert (other["node"]["nodeName"], other["pods"]) == ("node-2", [])
            pods = await nodes.ask("GET", "/api/v1/nodes/node-1/proxy/pods")
            assert [each["metadata"]["name"] for each in pods["items"]] == ["p"]
            response = await nodes.world.send("GET", "/api/v1/nodes/node-1/proxy/metrics/resource")
            text = (await response.read()).decode()
            assert 'container_memory_working_set_bytes{container="c",namespace="default",pod="p"}' in text
            response = await nodes.world.send("GET", "/api/v1/nodes/node-1/proxy/metrics")
            lines = (await response.read()).decode().splitlines()
            assert 'kubelet_node_name{node="node-1"} 1' in lines and "kubelet_running_pods 1" in lines
            response = await nodes.world.send("GET", "/api/v1/nodes/node-1/proxy")
            assert (response.status, response.headers["location"]) == (301, "/api/v1/nodes/node-1/proxy/")

    asyncio.run(main())


def test_a_kubelet_serves_only_whom_it_knows(tmp_path: Path) -> None:
    async def main() -> None:
        options, api = served(tmp_path, "somebody")
        async with node_world(options, server_options=api) as nodes:
            response = await nodes.world.send("GET", "/api/v1/nodes/node-1/proxy/stats/summary")
            text = (await response.read()).decode()
            assert (response.status, text) == (
                403,
                "Forbidden (user=somebody, verb=get, resource=nodes, subresource(s)=[stats])\n",
            )
            response = await nodes.world.send("GET", "/api/v1/nodes/node-1/proxy/healthz")
            assert (response.status, await response.read()) == (200, b"ok")

    asyncio.run(main())


def test_what_cannot_be_reached_is_told_as_upstream_does(tmp_path: Path) -> None:
    async def main() -> None:
        options, api = served(tmp_path)
        async with node_world(options, server_options=api) as nodes:
            await running_pod(nodes)
            address = {"type": "ExternalDNS", "address": "localhost"}
            closed = {"kubeletEndpoint": {"Port": 1}}
            body = {"status": {"addresses": [address], "daemonEndpoints": closed}}
            target = "/api/v1/nodes/node-1/status"
            await nodes.ask("PATCH", target, body, Content_Type="application/strategic-merge-patch+json")
            status, answer = await nodes.world.ask("GET", f"{PODS}/p/log")
            url = "https://localhost:1/containerLogs/default/p/c"
            assert status == 500
            assert answer["message"].startswith(f'Get "{url}": dial tcp ')
            assert json.dumps(answer)

    asyncio.run(main())


def test_where_the_port_is_taken_another_one_is_announced(tmp_path: Path) -> None:
    async def main() -> None:
        taken = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        port = taken.sockets[0].getsockname()[1]
        options, api = served(tmp_path)
        assert options.server is not None
        options = replace(options, server=replace(options.server, port=port, or_any_port=True))
        async with node_world(options, server_options=api) as nodes:
            node = await nodes.ask("GET", "/api/v1/nodes/node-1")
            assert node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] != port
            response = await nodes.world.send("GET", "/api/v1/nodes/node-1/proxy/healthz")
            assert response.status == 200
        taken.close()

    asyncio.run(main())
