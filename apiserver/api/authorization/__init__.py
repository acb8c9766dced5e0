"""authorization.k8s.io: may I, may they."""

from apiserver.api.authorization import reviews, rules_review

RESOURCES = (reviews.LOCAL, reviews.SELF, rules_review.RESOURCE, reviews.SUBJECT)
