"""Labels that tell a Job's pods from all others; the old names go on beside the new ones."""

from __future__ import annotations

LEGACY_JOB_NAME, JOB_NAME = "job-name", "batch.kubernetes.io/job-name"
LEGACY_CONTROLLER_UID, CONTROLLER_UID = "controller-uid", "batch.kubernetes.io/controller-uid"
