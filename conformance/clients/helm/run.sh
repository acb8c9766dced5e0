#!/usr/bin/env bash
# What helm does with a cluster: run.sh HELM DIRECTORY. Every step prints "ok NAME" or "FAIL NAME: why"; exits 1 when one failed.
set -u
here=$(cd "$(dirname "$0")" && pwd)
helm=$1 work=$2 failed=0
export HELM_CACHE_HOME=$work/cache HELM_CONFIG_HOME=$work/config HELM_DATA_HOME=$work/data
export HELM_NAMESPACE=helm-$$-$RANDOM
rm -rf "$work/web" && mkdir -p "$work" && cd "$work" && "$helm" create web > /dev/null

step() {
  local name=$1 said
  shift
  if said=$("$@" 2>&1); then
    echo "ok $name"
  else
    failed=1
    echo "FAIL $name: $(tail -n 3 <<< "$said" | tr '\n' ' ')"
  fi
}

deployed() { "$helm" list --filter "^$1\$" | grep -q deployed; }
revisions() { [ "$("$helm" history "$1" --output json | grep -o '"revision"' | wc -l)" = "$2" ]; }
seen() { "$helm" get manifest hooks | grep -Eq 'namespace: "[0-9a-f]{8}-' && "$helm" get manifest hooks | grep -q 'deployments: "true"'; }
refuses() { ! "$@"; }
nothing_left() { [ -z "$("$helm" list --short)" ]; }

step install "$helm" install web ./web --create-namespace --wait --timeout 60s --set replicaCount=2,ingress.enabled=true
step list deployed web
step status "$helm" status web
step test "$helm" test web --timeout 60s
step upgrade "$helm" upgrade web ./web --wait --timeout 60s --set replicaCount=3
step rollback "$helm" rollback web 1 --wait --timeout 60s
step history revisions web 3
step template-validated "$helm" template other ./web --validate
step dry-run-on-the-server "$helm" upgrade --install web ./web --dry-run=server --set replicaCount=4
step hooks "$helm" install hooks "$here/hooks" --wait --timeout 60s
step lookup seen
step hooks-of-an-upgrade "$helm" upgrade hooks "$here/hooks" --wait --timeout 60s
step failing-install-is-refused refuses "$helm" install bad ./web --atomic --timeout 5s --set resources.requests.cpu=100000
step failing-install-leaves-nothing refuses "$helm" status bad
step uninstall "$helm" uninstall web hooks --wait --timeout 60s
step nothing-left nothing_left
exit $failed
