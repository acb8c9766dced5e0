"""pocketkube and the real kube-apiserver over one etcd: what one wrote the other serves, and they share addresses in peace."""
