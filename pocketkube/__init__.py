"""pocketkube: Kubernetes, light enough for a pocket. The front door: command line, supervisor, certificates, kubeconfig."""

__version__ = "0.1.0"
