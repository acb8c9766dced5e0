"""flowcontrol.apiserver.k8s.io: which requests wait for which others."""

from apiserver.api.flowcontrol import flowschema, prioritylevelconfiguration

RESOURCES = (flowschema.RESOURCE, prioritylevelconfiguration.RESOURCE)
