#!/usr/bin/env bash
# Run one function of upstream's test/cmd in a tree of its sources: one_function.sh TREE FUNCTION
# Needs SECURE_API_PORT: a server that knows the token admin-token. What hack/make-rules/test-cmd.sh builds and starts is there already.
{  # read whole before it runs: it may be edited meanwhile
set -o errexit -o nounset -o pipefail

tree=$1 chosen=$2
cd "$tree"
source hack/lib/init.sh
source hack/lib/test.sh
source test/cmd/legacy-script.sh

make() { :; }
kube::etcd::start() { :; }
kube::etcd::cleanup() { :; }
setup

if ! kubectl get node 127.0.0.1 > /dev/null 2>&1; then
  eval "$(sed -n '/^function create_node/,/^__EOF__/p' hack/make-rules/test-cmd.sh)"$'\n}'
  create_node
  # In upstream's long run the node has its conditions when they are looked at.
  kubectl wait --for=condition=Ready=Unknown node/127.0.0.1 --timeout=60s
fi

create_and_use_new_namespace  # as the function before leaves it: some expect to find none of what the default one has

export SUPPORTED_RESOURCES=("*")
eval "upstream_$(declare -f record_command)"
if [ "$chosen" = runTests ]; then  # what runTests does by itself, between the functions that it records
  record_command() { :; }
else
  record_command() { upstream_record_command "$chosen"; }
  WHAT=$chosen
fi
runTests
exit
}
