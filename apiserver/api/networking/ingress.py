"""Ingress: which requests from outside go to which Service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from apiserver.api.columns import AGE, NAME
from apiserver.api.networking.ingressclass import object_reference_errors
from apiserver.api.strategy import KindStatusStrategy, KindStrategy, metadata_update_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.addresses import ip_warnings, legacy_ip_errors, parse_sloppy
from apiserver.apimachinery.errors import FieldError, invalid, not_supported, required
from apiserver.apimachinery.objects import Object, annotations_of, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
BAD_SUFFIXES = ("/..", "/.")
NOT_A_NAME = "must be a DNS name, not an IP address"
SHOWN_HOSTS, SHOWN_ADDRESSES = 3, 16  # hosts, characters


class IngressStrategy(KindStrategy):
    """Mirrors upstream registry/networking/ingress and its validation."""

    has_status = True
    has_generation = True

    def default(self, obj: Object) -> None:
        obj.setdefault("spec", {})
        obj.setdefault("status", {}).setdefault("loadBalancer", {})

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        super().prepare_for_create(ctx, obj)
        obj["status"] = {"loadBalancer": {}}

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from _spec_errors(obj.get("spec") or {}, None)
        annotation, name = annotations_of(obj).get(CLASS_ANNOTATION), get(obj, "spec", "ingressClassName")
        if annotation is not None and name is not None and annotation != name:
            detail = "must match `ingressClassName` when both are specified"
            yield invalid(f"annotations.{CLASS_ANNOTATION}", annotation, detail)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from self.metadata_errors(obj)
        yield from _spec_errors(obj.get("spec") or {}, old.get("spec") or {})

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        if CLASS_ANNOTATION in annotations_of(obj) and get(obj, "spec", "ingressClassName") is None:
            return (f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead",)
        return ()


def _spec_errors(spec: Object, old: Object | None) -> Iterator[FieldError]:
    """What is wrong with `spec`, but for what was wrong with `old` already."""
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and backend is None:
        yield invalid("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified")
    if backend is not None:
        yield from _backend_errors(backend, "spec.defaultBackend")
    any_wildcard_rule = old is not None and _has_bad_wildcard_rule(old)
    for i, rule in enumerate(rules):
        yield from _rule_errors(rule, f"spec.rules[{i}]", any_wildcard_rule)
    any_secret = old is not None and any(_secret_problems(tls) for tls in old.get("tls") or ())
    for i, tls in enumerate(spec.get("tls") or ()):
        for j, host in enumerate(tls.get("hosts") or ()):
            yield from _host_errors(host, f"spec.tls[{i}].hosts[{j}]")
        for message in _secret_problems(tls) if not any_secret else ():
            yield invalid(f"spec.tls[{i}].secretName", tls["secretName"], message)
    name = spec.get("ingressClassName")
    for message in formats.dns1123_subdomain(name) if name is not None else ():
        yield invalid("spec.ingressClassName", name, message)


def _secret_problems(tls: Object) -> Sequence[str]:
    name = tls.get("secretName")
    return formats.dns1123_subdomain(name) if name else ()


def _has_bad_wildcard_rule(old: Object) -> bool:
    return any("*" in (rule.get("host") or "") and any(_http_errors(rule, "")) for rule in old.get("rules") or ())


def _host_errors(host: str, path: str) -> Iterator[FieldError]:
    check = formats.wildcard_dns1123_subdomain if "*" in host else formats.dns1123_subdomain
    for message in check(host):
        yield invalid(path, host, message)


def _rule_errors(rule: Object, path: str, any_wildcard_rule: bool) -> Iterator[FieldError]:
    host = rule.get("host") or ""
    if host:
        if parse_sloppy(host) is not None:
            yield invalid(f"{path}.host", host, NOT_A_NAME)
        yield from _host_errors(host, f"{path}.host")
    if "*" not in host or not any_wildcard_rule:
        yield from _http_errors(rule, path)


def _http_errors(rule: Object, path: str) -> Iterator[FieldError]:
    http = rule.get("http")
    if http is None:
        return
    if not http.get("paths"):
        yield required(f"{path}.http.paths")
    for i, item in enumerate(http.get("paths") or ()):
        yield from _path_errors(item, f"{path}.http.paths[{i}]")


def _path_errors(item: Object, path: str) -> Iterator[FieldError]:
    kind, target = item.get("pathType"), item.get("path") or ""
    if kind is None:
        yield required(f"{path}.pathType", "pathType must be specified")
        return
    if kind not in PATH_TYPES:
        yield not_supported(f"{path}.pathType", kind, PATH_TYPES)
    elif not target.startswith("/") and (target or kind != "ImplementationSpecific"):
        yield invalid(f"{path}.path", target, "must be an absolute path")
    if kind in ("Exact", "Prefix"):
        for sequence in BAD_SEQUENCES:
            if sequence in target:
                yield invalid(f"{path}.path", target, f"must not contain '{sequence}'")
        for suffix in BAD_SUFFIXES:
            if target.endswith(suffix):
                yield invalid(f"{path}.path", target, f"cannot end with '{suffix}'")
    yield from _backend_errors(item.get("backend") or {}, f"{path}.backend")


def _backend_errors(backend: Object, path: str) -> Iterator[FieldError]:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        yield invalid(path, "", "cannot set both resource and service backends")
    elif resource is not None:
        yield from object_reference_errors(resource, f"{path}.resource")
    elif service is None:
        yield invalid(path, "", "resource or service backend is required")
    else:
        yield from _service_errors(service, path)


def _service_errors(service: Object, path: str) -> Iterator[FieldError]:
    name, port = service.get("name") or "", service.get("port") or {}
    if not name:
        yield required(f"{path}.service.name")
    for message in formats.dns1123_label(name) if name else ():
        yield invalid(f"{path}.service.name", name, message)
    port_name, number = port.get("name") or "", port.get("number") or 0
    if port_name and number:
        yield invalid(path, "", "cannot set both port name & port number")
    elif port_name:
        for message in formats.port_name(port_name):
            yield invalid(f"{path}.service.port.name", port_name, message)
    elif number:
        for message in formats.port_number(number):
            yield invalid(f"{path}.service.port.number", number, message)
    else:
        yield required(path, "port name or number is required")


def _balancers(obj: Object) -> Sequence[Object]:
    found: Sequence[Object] = get(obj, "status", "loadBalancer", "ingress", default=())
    return found


class IngressStatusStrategy(KindStatusStrategy):
    """`/status`: the addresses under which it can be reached."""

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        known = [balancer["ip"] for balancer in _balancers(old) if balancer.get("ip")]
        for i, balancer in enumerate(_balancers(obj)):
            path, host = f"status.loadBalancer.ingress[{i}]", balancer.get("hostname") or ""
            if balancer.get("ip"):
                yield from legacy_ip_errors(balancer["ip"], f"{path}.ip", known)
            for message in formats.dns1123_subdomain(host) if host else ():
                yield invalid(f"{path}.hostname", host, message)
            if host and parse_sloppy(host) is not None:
                yield invalid(f"{path}.hostname", host, NOT_A_NAME)

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[str]:
        for i, balancer in enumerate(_balancers(obj)):
            if balancer.get("ip"):
                yield from ip_warnings(f"status.loadBalancer.ingress[{i}]", balancer["ip"])


def _hosts_cell(obj: Object, now: float) -> str:
    rules = get(obj, "spec", "rules", default=())
    hosts: list[str] = []
    more = False
    for rule in rules:
        more = more or len(hosts) == SHOWN_HOSTS
        if not more and rule.get("host"):
            hosts.append(rule["host"])
    shown = ",".join(hosts) or "*"
    return f"{shown} + {len(rules) - SHOWN_HOSTS} more..." if more else shown


def _address_cell(obj: Object, now: float) -> str:
    found = sorted({balancer.get("ip") or balancer.get("hostname") or "" for balancer in _balancers(obj)} - {""})
    shown = ",".join(found)
    return shown if len(shown) <= SHOWN_ADDRESSES else shown[: SHOWN_ADDRESSES - 3] + "..."


STRATEGY = IngressStrategy()
RESOURCE = Resource(
    group="networking.k8s.io",
    plural="ingresses",
    kind="Ingress",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    storage_prefix="/registry/ingress",
    short_names=("ing",),
    strategy=STRATEGY,
    subresources=(Subresource(name="status", strategy=IngressStatusStrategy(STRATEGY)),),
    empty={"spec": {}, "status": {"loadBalancer": {}}},
    columns=(
        NAME,
        Column(
            "Class",
            lambda obj, now: get(obj, "spec", "ingressClassName", default="<none>"),
            description="The name of the IngressClass resource that should be used for additional configuration",
        ),
        Column(
            "Hosts",
            _hosts_cell,
            description="Hosts that incoming requests are matched against before the ingress rule",
        ),
        Column(
            "Address",
            _address_cell,
            description="Address is a list containing ingress points for the load-balancer",
        ),
        Column(
            "Ports",
            lambda obj, now: "80, 443" if get(obj, "spec", "tls") else "80",
            description="Ports of TLS configurations that open",
        ),
        AGE,
    ),
)
