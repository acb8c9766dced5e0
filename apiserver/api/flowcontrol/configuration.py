"""The flow schemas and priority levels a cluster starts with (upstream apiserver/pkg/apis/flowcontrol/bootstrap).

Mandatory ones must be as they stand here; suggested ones are an administrator's to change.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.apimachinery.objects import Object

GROUP = "flowcontrol.apiserver.k8s.io"
API_VERSION = f"{GROUP}/v1"
AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"
EXEMPT, CATCH_ALL = "exempt", "catch-all"
BY_USER, BY_NAMESPACE = "ByUser", "ByNamespace"
EVERYBODY = ("system:unauthenticated", "system:authenticated")


def _object(kind: str, name: str, spec: Object) -> Object:
    return {
        "kind": kind,
        "apiVersion": API_VERSION,
        "metadata": {"name": name, "annotations": {AUTO_UPDATE: "true"}},
        "spec": spec,
        "status": {},
    }


def _level(name: str, shares: int, lendable: int, queues: int = 0, hand: int = 0) -> Object:
    response: Object = {"type": "Reject"}
    if queues:
        response = {"type": "Queue", "queuing": {"queues": queues, "handSize": hand, "queueLengthLimit": 50}}
    limited = {"nominalConcurrencyShares": shares, "limitResponse": response, "lendablePercent": lendable}
    return _object("PriorityLevelConfiguration", name, {"type": "Limited", "limited": limited})


def _schema(name: str, level: str, precedence: int, method: str, *rules: Object) -> Object:
    spec: Object = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence}
    if method:
        spec["distinguisherMethod"] = {"type": method}
    return _object("FlowSchema", name, {**spec, "rules": list(rules)})


def _groups(*names: str) -> list[Object]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _users(*names: str) -> list[Object]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _resources(verbs: Sequence[str], group: str, resources: Sequence[str], *, cluster: bool) -> Object:
    scope = {"clusterScope": True} if cluster else {}
    return {"verbs": list(verbs), "apiGroups": [group], "resources": list(resources), **scope, "namespaces": ["*"]}


def _everything(subjects: list[Object]) -> Object:
    return {
        "subjects": subjects,
        "resourceRules": [_resources("*", "*", "*", cluster=True)],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }


_SYSTEM_ACCOUNTS: list[Object] = [
    {"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": "*"}}
]
_LEASES = ("coordination.k8s.io", ("leases",))

MANDATORY_LEVELS: tuple[Object, ...] = (
    _level(CATCH_ALL, 5, 0),
    _object(
        "PriorityLevelConfiguration",
        EXEMPT,
        {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}},
    ),
)
SUGGESTED_LEVELS: tuple[Object, ...] = (
    _level("system", 30, 33, 64, 6),
    _level("node-high", 40, 25, 64, 6),
    _level("leader-election", 10, 0, 16, 4),
    _level("workload-high", 40, 50, 128, 6),
    _level("workload-low", 100, 90, 128, 6),
    _level("global-default", 20, 50, 128, 6),
)
MANDATORY_SCHEMAS: tuple[Object, ...] = (
    _schema(EXEMPT, EXEMPT, 1, "", _everything(_groups("system:masters"))),
    _schema(CATCH_ALL, CATCH_ALL, 10000, BY_USER, _everything(_groups(*EVERYBODY))),
)
SUGGESTED_SCHEMAS: tuple[Object, ...] = (
    _schema("system-nodes", "system", 500, BY_USER, _everything(_groups("system:nodes"))),
    _schema(
        "system-node-high",
        "node-high",
        400,
        BY_USER,
        {
            "subjects": _groups("system:nodes"),
            "resourceRules": [
                _resources("*", "", ("nodes", "nodes/status"), cluster=True),
                _resources("*", *_LEASES, cluster=False),
            ],
        },
    ),
    _schema(
        "probes",
        EXEMPT,
        2,
        "",
        {
            "subjects": _groups(*EVERYBODY),
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}],
        },
    ),
    _schema(
        "system-leader-election",
        "leader-election",
        100,
        BY_USER,
        {
            "subjects": [*_users("system:kube-controller-manager", "system:kube-scheduler"), *_SYSTEM_ACCOUNTS],
            "resourceRules": [_resources(("get", "create", "update"), *_LEASES, cluster=False)],
        },
    ),
    _schema(
        "kube-controller-manager",
        "workload-high",
        800,
        BY_NAMESPACE,
        _everything(_users("system:kube-controller-manager")),
    ),
    _schema("kube-scheduler", "workload-high", 800, BY_NAMESPACE, _everything(_users("system:kube-scheduler"))),
    _schema("kube-system-service-accounts", "workload-high", 900, BY_NAMESPACE, _everything(_SYSTEM_ACCOUNTS)),
    _schema("service-accounts", "workload-low", 9000, BY_USER, _everything(_groups("system:serviceaccounts"))),
    _schema("global-default", "global-default", 9900, BY_USER, _everything(_groups(*EVERYBODY))),
)
