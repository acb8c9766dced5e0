"""The pod security standards: levels and versions, and what pods must not do at each (upstream k8s.io/pod-security-admission)."""
