"""The strategy of built-in kinds: what upstream's validations of updates repeat, said once.

Upstream's ValidateXUpdate checks the change of metadata, then what may not change, then the whole object as if it were
new; each finding is a cause of its own, so the repetitions are visible on the wire and are made here, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.apimachinery.errors import FieldError
from apiserver.apimachinery.object_meta import object_meta_errors, object_meta_update_errors
from apiserver.apimachinery.objects import Object
from apiserver.registry.context import Context
from apiserver.registry.strategy import StatusStrategy, Strategy


class KindStrategy(Strategy):
    """A built-in kind. `namespaced` says the same as its Resource."""

    namespaced = True

    def metadata_errors(self, obj: Object) -> Iterator[FieldError]:
        """Upstream ValidateObjectMeta with the kind's name rule."""
        meta = obj["metadata"]
        standard = self.standard_finalizers
        return object_meta_errors(meta, self.namespaced, self.name_errors, standard_finalizers=standard)

    def validate_whole(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        """Upstream ValidateX: metadata and the rest, as for a new object."""
        yield from self.metadata_errors(obj)
        yield from self.validate(ctx, obj)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from self.validate_whole(ctx, obj)


class KindStatusStrategy(StatusStrategy):
    """`/status` of a built-in kind: only the change of metadata is checked, subclasses add to it."""

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[FieldError]:
        return metadata_update_errors(obj, old)


def metadata_update_errors(obj: Object, old: Object) -> Iterator[FieldError]:
    """Upstream ValidateObjectMetaUpdate."""
    return object_meta_update_errors(obj["metadata"], old["metadata"], standard_finalizers=True)
