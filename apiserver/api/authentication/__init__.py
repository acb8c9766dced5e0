"""authentication.k8s.io: who am I, whose is this token."""

from apiserver.api.authentication import selfsubjectreview, tokenreview

RESOURCES = (selfsubjectreview.RESOURCE, tokenreview.RESOURCE)
