"""A Strategy knows one kind: defaults, what a writer may set, what is valid. Pure functions of objects.

Objects are plain dicts in the *storage version's* wire form (the hub); `Resource.convert` brings other versions there first.
Mirrors upstream registry/rest (RESTCreateStrategy, RESTUpdateStrategy, RESTDeleteStrategy).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError
from apiserver.apimachinery.objects import Object
from apiserver.registry.context import Context
from apiserver.registry.metadata import generated_name


class Strategy:
    """The base: a kind without peculiarities. Subclasses override what differs."""

    allow_create_on_update = False  # PUT to a name that does not exist creates it
    allow_unconditional_update = True  # PUT without resourceVersion
    default_gc_policy = (
        "background"  # what DELETE without a policy means: "orphan" for old kinds, "unsupported" (events)
    )
    return_deleted_object = False  # DELETE answers with the object instead of a Status
    graceful = False  # DELETE may leave the object with a deletionTimestamp (pods)
    has_status = False  # a status the main resource must not change
    has_generation = False  # metadata.generation follows spec
    checks_metadata = True  # on updates; what the server writes by itself is not looked at again
    standard_finalizers = (
        True  # finalizers without a domain have to be known ones (upstream core/validation; not leases)
    )

    def default(self, obj: Object) -> None:
        """Fill in defaults, in place (upstream SetDefaults_*). Runs on writes and on every read of what is stored."""

    def name_errors(self, name: str, prefix: bool) -> Iterable[str]:
        """Why `name` (or, with `prefix`, the generateName) is not valid; the default is an RFC 1123 subdomain."""
        return formats.subdomain_name(name, prefix)

    def generate_name(self, ctx: Context, prefix: str) -> str:
        """The name of an object that asks for one by its generateName."""
        return generated_name(ctx, prefix)

    def metadata_errors(self, obj: Object) -> Iterable[FieldError] | None:
        """What is wrong with the metadata of a new object; None stands for upstream's ValidateObjectMeta with
        `name_errors`. Kinds that upstream checks less, or more, say so here."""
        return None

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        """Clear what a creator may not set; the base drops status and sets generation 1 where the kind has them."""
        if self.has_status:
            obj.pop("status", None)
        if self.has_generation:
            obj["metadata"]["generation"] = 1

    def validate(self, ctx: Context, obj: Object) -> Iterable[FieldError]:
        """What is wrong with a new object, metadata aside: the Store puts upstream's ValidateObjectMeta (with
        `name_errors`) before this on create, and its common metadata checks before `validate_update` on update.
        A kind whose upstream validation repeats metadata checks on update repeats them in `validate_update`."""
        return ()

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        return ()

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        """Reset what an update may not change; the base keeps the old status and bumps generation with the spec."""
        if self.has_status:
            if "status" in old:
                obj["status"] = old["status"]
            else:
                obj.pop("status", None)
        if self.has_generation and self.spec_of(obj) != self.spec_of(old):
            obj["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1

    def spec_of(self, obj: Object) -> Any:
        """What generation follows."""
        return obj.get("spec")

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[FieldError]:
        return self.validate(ctx, obj)

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[str]:
        return ()

    def canonicalize(self, obj: Object) -> None:
        """Bring a valid object into its normal form, in place, right before it is stored."""

    def check_graceful_delete(self, ctx: Context, obj: Object, options: dict[str, Any]) -> bool:
        """Set `options["gracePeriodSeconds"]` and say whether the object stays until its grace is over."""
        return False

    def check_delete(self, ctx: Context, obj: Object) -> None:
        """Raise the StatusError for an object that must not be deleted; asked before anything else is."""

    def warnings_on_delete(self, options: Mapping[str, Any]) -> Iterable[str]:
        """Warnings for a DELETE with these DeleteOptions, of one object or of a collection."""
        return ()

    def terminate(self, ctx: Context, obj: Object, options: dict[str, Any]) -> bool:
        """Handle a DELETE by changing `obj` in place (namespaces: phase Terminating). True: `obj` is stored and stays;
        False: the ordinary way follows. Upstream registries do it by a Delete method of their own."""
        return False

    def deletes_on_update(self, obj: Object, old: Object) -> bool:
        """Whether an update that removes the last finalizer of a terminating object deletes it (upstream
        ShouldDeleteDuringUpdate; namespaces wait for spec.finalizers)."""
        return True

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        """Paths a writer through this strategy never owns, e.g. (("status",),) (upstream GetResetFields)."""
        return (("status",),) if self.has_status else ()

    def owned_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        """Where not empty: the only paths a writer through this strategy may own, "*" for any element of a list
        (upstream GetResetFieldsFilter; pods/resize, pods/ephemeralcontainers)."""
        return ()


class StatusStrategy(Strategy):
    """The strategy of a `/status` subresource over `parent`: spec and most metadata stay as they were."""

    def __init__(self, parent: Strategy) -> None:
        self.parent = parent
        self.allow_unconditional_update = parent.allow_unconditional_update
        self.allow_create_on_update = parent.allow_create_on_update  # a Service is made by a PUT of its status, too

    def default(self, obj: Object) -> None:
        self.parent.default(obj)

    def name_errors(self, name: str, prefix: bool) -> Iterable[str]:
        return self.parent.name_errors(name, prefix)

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        """Everything but status and metadata comes from the old object."""
        for key in [k for k in obj if k not in ("metadata", "status", "kind", "apiVersion")]:
            if key not in old:
                del obj[key]
        for key, value in old.items():
            if key not in ("metadata", "status", "kind", "apiVersion"):
                obj[key] = value

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[FieldError]:
        return ()

    def canonicalize(self, obj: Object) -> None:
        self.parent.canonicalize(obj)

    def deletes_on_update(self, obj: Object, old: Object) -> bool:
        return self.parent.deletes_on_update(obj, old)

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("spec",),)
