"""What every kind with a pod in it shares: defaults, disabled fields, resources of a PodSpec."""
