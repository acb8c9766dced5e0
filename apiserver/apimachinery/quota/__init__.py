"""What objects use of a namespace's quota: pure sums, shared by admission and the resourcequota controller.

Mirrors upstream apiserver/pkg/quota/v1 and kubernetes/pkg/quota/v1. `evaluators.evaluator_for(resource)` measures one
object; `usage.namespace_usage(…)` measures a namespace.
"""
