"""Upstream's own kubectl scripts (test/cmd of Kubernetes), unmodified, against the real pair and against ours."""
