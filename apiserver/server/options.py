"""What an API server can be told, under the names kube-apiserver's flags have.

`parse_options` reads a command line; a flag that does not exist is refused by name, one that names what is not there
(an authorization mode, an admission plugin, a feature gate, an API group) too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apiserver.admission.plugins import problems as plugin_problems
from apiserver.api.core.rest.kubelets import ADDRESS_TYPES
from apiserver.server import flags
from apiserver.server.flags import Flag, UsageError

MEDIA_TYPES = ("application/json",)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Every option with its default; upstream's where upstream has one."""

    # serving
    bind_address: str = "0.0.0.0"
    secure_port: int = 6443
    advertise_address: str = ""
    external_hostname: str = ""
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    cert_dir: str = "/var/run/kubernetes"
    request_timeout: float = 60.0
    min_request_timeout: int = 1800
    shutdown_grace: float = 10.0
    # storage
    data_dir: str = ""  # the embedded store's
    etcd_servers: tuple[str, ...] = ()
    etcd_prefix: str = "/registry"
    etcd_cafile: str = ""
    etcd_certfile: str = ""
    etcd_keyfile: str = ""
    etcd_compaction_interval: float = 300.0
    storage_media_type: str = "application/json"
    event_ttl: float = 3600.0
    # authentication
    client_ca_file: str = ""
    token_auth_file: str = ""
    anonymous_auth: bool = True
    api_audiences: tuple[str, ...] = ()
    service_account_issuer: tuple[str, ...] = ("https://kubernetes.default.svc.cluster.local",)
    service_account_key_file: tuple[str, ...] = ()
    service_account_signing_key_file: str = ""
    service_account_lookup: bool = True
    service_account_max_token_expiration: float = 0.0
    service_account_extend_token_expiration: bool = True
    requestheader_client_ca_file: str = ""
    requestheader_allowed_names: tuple[str, ...] = ()
    requestheader_username_headers: tuple[str, ...] = ()
    requestheader_uid_headers: tuple[str, ...] = ()
    requestheader_group_headers: tuple[str, ...] = ()
    requestheader_extra_headers_prefix: tuple[str, ...] = ()
    # authorization, admission
    authorization_mode: tuple[str, ...] = ("AlwaysAllow",)
    enable_admission_plugins: tuple[str, ...] = ()
    disable_admission_plugins: tuple[str, ...] = ()
    default_not_ready_toleration_seconds: int = 300
    default_unreachable_toleration_seconds: int = 300
    # services
    service_cluster_ip_range: tuple[str, ...] = ("10.96.0.0/12",)
    service_node_port_range: tuple[int, int] = (30000, 32767)
    # kubelets
    kubelet_client_certificate: str = ""
    kubelet_client_key: str = ""
    kubelet_certificate_authority: str = ""
    kubelet_preferred_address_types: tuple[str, ...] = ADDRESS_TYPES
    # features
    runtime_config: tuple[tuple[str, str], ...] = ()
    feature_gates: tuple[tuple[str, str], ...] = ()
    allow_privileged: bool = True
    verbosity: int = 0

    def read(self, path: str) -> bytes:
        """The content of a file an option names; UsageError when it cannot be read."""
        try:
            return Path(path).read_bytes()
        except OSError as e:
            raise UsageError(f"cannot read {path}: {e.strerror}") from None


FLAGS: tuple[Flag, ...] = (
    Flag("bind-address", "bind_address", flags.ip, "The address to serve on (0.0.0.0: all)."),
    Flag("secure-port", "secure_port", flags.integer, "The port to serve on (6443)."),
    Flag("advertise-address", "advertise_address", flags.ip, "The address members of the cluster reach this server under."),
    Flag("external-hostname", "external_hostname", flags.text, "The host name in URLs that point here."),
    Flag("tls-cert-file", "tls_cert_file", flags.text, "The serving certificate."),
    Flag("tls-private-key-file", "tls_private_key_file", flags.text, "Its key."),
    Flag("cert-dir", "cert_dir", flags.text, "Where a self-signed serving certificate is kept when none is given."),
    Flag("request-timeout", "request_timeout", flags.duration, "How long a request may take (1m)."),
    Flag("min-request-timeout", "min_request_timeout", flags.integer, "The least seconds a watch is kept open (1800)."),
    Flag("shutdown-grace", "shutdown_grace", flags.duration, "How long requests may finish when the server stops (10s)."),
    Flag("data-dir", "data_dir", flags.text, "The directory of the embedded store; used when no etcd is named."),
    Flag("etcd-servers", "etcd_servers", flags.strings, "URLs of etcd, separated by commas."),
    Flag("etcd-prefix", "etcd_prefix", flags.text, "The prefix of all keys (/registry)."),
    Flag("etcd-cafile", "etcd_cafile", flags.text, "The authority that signed etcd's certificate."),
    Flag("etcd-certfile", "etcd_certfile", flags.text, "The client certificate for etcd."),
    Flag("etcd-keyfile", "etcd_keyfile", flags.text, "Its key."),
    Flag("etcd-compaction-interval", "etcd_compaction_interval", flags.duration, "How often history is dropped (5m; 0: never)."),
    Flag("storage-media-type", "storage_media_type", flags.text, "How objects are stored: application/json."),
    Flag("event-ttl", "event_ttl", flags.duration, "How long events are kept (1h)."),
    Flag("client-ca-file", "client_ca_file", flags.text, "The authority whose client certificates name users."),
    Flag("token-auth-file", "token_auth_file", flags.text, "A file of static tokens: token,user,uid,\"groups\"."),
    Flag("anonymous-auth", "anonymous_auth", flags.boolean, "Serve requests without credentials as system:anonymous (true)."),
    Flag("api-audiences", "api_audiences", flags.strings, "Audiences of tokens for this server (default: the issuers)."),
    Flag("service-account-issuer", "service_account_issuer", flags.strings, "Who issues service-account tokens; the first signs."),
    Flag("service-account-key-file", "service_account_key_file", flags.strings, "Keys that verify service-account tokens."),
    Flag("service-account-signing-key-file", "service_account_signing_key_file", flags.text, "The key that signs them."),
    Flag("service-account-lookup", "service_account_lookup", flags.boolean, "Check that a token's Secret still exists (true)."),
    Flag("service-account-max-token-expiration", "service_account_max_token_expiration", flags.duration, "Longest life."),
    Flag("service-account-extend-token-expiration", "service_account_extend_token_expiration", flags.boolean),
    Flag("requestheader-client-ca-file", "requestheader_client_ca_file", flags.text, "The authority of front proxies."),
    Flag("requestheader-allowed-names", "requestheader_allowed_names", flags.strings, "Names of front proxies; none: all."),
    Flag("requestheader-username-headers", "requestheader_username_headers", flags.strings, "Headers with the user's name."),
    Flag("requestheader-uid-headers", "requestheader_uid_headers", flags.strings, "Headers with the user's uid."),
    Flag("requestheader-group-headers", "requestheader_group_headers", flags.strings, "Headers with the user's groups."),
    Flag("requestheader-extra-headers-prefix", "requestheader_extra_headers_prefix", flags.strings, "Prefixes of headers with more."),
    Flag("authorization-mode", "authorization_mode", flags.strings, "In order: Node, RBAC, AlwaysAllow, AlwaysDeny."),
    Flag("enable-admission-plugins", "enable_admission_plugins", flags.strings, "Admission plugins beyond the default ones."),
    Flag("disable-admission-plugins", "disable_admission_plugins", flags.strings, "Default admission plugins to leave out."),
    Flag("default-not-ready-toleration-seconds", "default_not_ready_toleration_seconds", flags.integer, "How long pods stay (300)."),
    Flag("default-unreachable-toleration-seconds", "default_unreachable_toleration_seconds", flags.integer, "Likewise (300)."),
    Flag("service-cluster-ip-range", "service_cluster_ip_range", flags.strings, "The range of Services' addresses."),
    Flag("service-node-port-range", "service_node_port_range", flags.port_range, "The range of node ports (30000-32767)."),
    Flag("kubelet-client-certificate", "kubelet_client_certificate", flags.text, "The certificate shown to kubelets."),
    Flag("kubelet-client-key", "kubelet_client_key", flags.text, "Its key."),
    Flag("kubelet-certificate-authority", "kubelet_certificate_authority", flags.text, "The authority of kubelets' certificates."),
    Flag("kubelet-preferred-address-types", "kubelet_preferred_address_types", flags.strings, "How nodes are reached, in order."),
    Flag("runtime-config", "runtime_config", flags.pairs, "API versions to turn on or off: group/version=true|false."),
    Flag("feature-gates", "feature_gates", flags.pairs, "Features to turn on or off: Name=true|false."),
    Flag("allow-privileged", "allow_privileged", flags.boolean, "Allow privileged containers (true)."),
    Flag("v", "verbosity", flags.integer, "How much is logged: 0 (warnings) to 4.", short="v"),
)  # fmt: skip


def parse_options(arguments: Sequence[str]) -> Options:
    """Options from a command line; raises UsageError with one line that says what is wrong."""
    return make_options(dict(flags.parse(FLAGS, arguments, "pocketkube apiserver")))


def make_options(given: dict[str, Any]) -> Options:
    """Options from what was given, checked as upstream checks them."""
    if "service_account_issuer" in given:
        given["service_account_issuer"] = tuple(filter(None, given["service_account_issuer"]))
    options = Options(**given)
    problems = list(_problems(options))
    if problems:
        raise UsageError(problems[0] if len(problems) == 1 else "[" + ", ".join(problems) + "]")
    return options


def _problems(options: Options) -> list[str]:
    from apiserver.auth.authorizers.modes import MODES

    found = []
    if not 0 <= options.secure_port <= 65535:
        found.append(f"--secure-port {options.secure_port} must be between 0 and 65535, inclusive")
    for mode in options.authorization_mode:
        if mode not in MODES:
            found.append(f'authorization-mode "{mode}" is not a valid mode')
    if len(set(options.authorization_mode)) != len(options.authorization_mode):
        found.append("authorization-mode has mode specified more than once")
    if options.storage_media_type not in ("", *MEDIA_TYPES):  # empty: as by default
        media_types = ", ".join(MEDIA_TYPES)
        found.append(f'--storage-media-type "{options.storage_media_type}" invalid, must be one of {media_types}')
    if bool(options.tls_cert_file) != bool(options.tls_private_key_file):
        found.append("--tls-cert-file and --tls-private-key-file go together")
    if bool(options.kubelet_client_certificate) != bool(options.kubelet_client_key):
        found.append("--kubelet-client-certificate and --kubelet-client-key go together")
    if options.etcd_servers and options.data_dir:
        found.append("--etcd-servers and --data-dir exclude each other: objects live in one place")
    found += plugin_problems(options.enable_admission_plugins, options.disable_admission_plugins)
    for name, value in options.feature_gates:
        found += _gate_problems(name, value)
    return found


def _gate_problems(name: str, value: str) -> list[str]:
    from apiserver.server.features import gates

    if not value:
        return [f"missing bool value for {name}"]
    try:
        flags.boolean(value)
    except ValueError as e:
        return [f"invalid value of {name}={value}, err: {e}"]
    return [] if name in gates() else [f"unrecognized feature gate: {name}"]
