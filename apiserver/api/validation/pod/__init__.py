"""What a pod, or a PodSpec inside another kind, must look like (upstream pkg/apis/core/validation).

`spec.pod_spec_errors` checks a PodSpec; `create`, `update`, `status`, `ephemeral` and `resize` check a pod that is written.
"""
