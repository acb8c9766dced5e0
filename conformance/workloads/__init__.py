"""The workload loops beside the real kube-controller-manager: the same scenes, the same player of nodes, the same end."""
