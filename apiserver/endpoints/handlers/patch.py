"""PATCH: JSON, merge and strategic merge patches and server-side apply, within the Store's loop of old → new.

Mirrors upstream endpoints/handlers/patch.go. A patch is applied to the version the client speaks; what it makes is checked,
converted and defaulted as a body would be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import StatusError, bad_request, conflict, not_found, unsupported_media_type
from apiserver.apimachinery.http import Request, Response
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.patch import (
    invalid_patch_map,
    invalid_patched,
    json_patch,
    json_patch_strict_errors,
    merge_patch,
    strategic_merge_patch,
)
from apiserver.endpoints.handlers import answers, bodies
from apiserver.endpoints.handlers.admitting import Write, check_name
from apiserver.endpoints.options import IGNORE, STRICT, patch_options
from apiserver.endpoints.scope import Scope
from apiserver.registry import metadata
from apiserver.registry.resource import Resource
from apiserver.registry.writing import Updater

JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

_BUILT_IN, _CUSTOM = (JSON, MERGE, STRATEGIC, APPLY), (JSON, MERGE, APPLY)


async def patch(scope: Scope, request: Request) -> Response:
    """Change an object by a patch; apply creates it where it is absent."""
    patch_type = media_type(scope.resource, request)
    form = answers.negotiate(scope, request)
    write, updater = await begin(scope, request, patch_type)
    record, created = await scope.store.update(
        write.ctx,
        write.name,
        updater,
        strategy=write.strategy,
        validate=write.validate_update,
        validate_create=write.authorized_create,
        force_allow_create=patch_type == APPLY and scope.subresource is None,
    )
    return answers.record_answer(scope, request, form, record, 201 if created else 200)


async def begin(scope: Scope, request: Request, patch_type: str) -> tuple[Write, Updater]:
    """The write, and what makes the new object of the old one."""
    data = await request.body()
    write = Write(scope, request, patch_options(request.query, patch_type == APPLY))
    make = _maker(write, patch_type, data)

    async def updater(old: Object | None) -> Object:
        obj = make(old)
        _check(write, obj, old)
        await write.admit(obj, old)
        return obj

    return write, updater


def media_type(resource: Resource, request: Request) -> str:
    """The patch's media type; 415 for what the kind does not take (the router has refused the rest already)."""
    supported = _CUSTOM if resource.schemas is not None else _BUILT_IN
    found = request.headers.get("content-type", "").partition(";")[0]
    if found in supported:
        return found
    raise unsupported_media_type(
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(supported)}"
    )


Refusal = Callable[[str], StatusError]
Maker = Callable[[Object | None], Object]


def _maker(write: Write, patch_type: str, data: bytes) -> Maker:
    """What makes the new object of the old one. The patch is read anew for every attempt: merges use it up."""
    if patch_type == APPLY:
        return _apply_maker(write, data)
    apply = {JSON: _json_patched, MERGE: _merged, STRATEGIC: _strategically_merged}[patch_type]
    pending = [bodies.parse_patch(data)]

    def make(old: Object | None) -> Object:
        if old is None:
            raise not_found(write.scope.resource.group_resource, write.name)
        parsed, strict, fault = pending.pop() if pending else bodies.parse_patch(data)
        if fault and patch_type != JSON:
            raise bad_request(f"error decoding patch: {fault}" if patch_type == MERGE else fault)
        patched = apply(write, old, parsed, strict, data)
        obj = bodies.to_hub(write, patched)
        write.own(old, obj)
        return obj

    return make


def _json_patched(write: Write, old: Object, operations: Any, strict: list[str], data: bytes) -> Object:
    strict = [*(f"json patch {error}" for error in strict), *json_patch_strict_errors(operations)]
    patched = json_patch(bodies.versioned(write, old, data), operations, in_place=True)

    def refusal(why: str) -> StatusError:
        shown = json_patch(bodies.in_go_order(write, bodies.versioned(write, old, data)), bodies.parse_patch(data)[0])
        paths = [(op or {}).get(of) or "" for op in operations or () for of in ("path", "from")]
        return invalid_patched(_touched(shown, paths), why)

    return _decoded(write, patched, strict, refusal, _roots(operations))


def _merged(write: Write, old: Object, patch: Any, strict: list[str], data: bytes) -> Object:
    patched = merge_patch(bodies.versioned(write, old, data), patch, in_place=True)

    def refusal(why: str) -> StatusError:
        shown = merge_patch(bodies.in_go_order(write, bodies.versioned(write, old, data)), _sorted(patch))
        return invalid_patched(_touched(shown, _pointers(patch)), why)

    return _decoded(write, patched, strict, refusal, patch)


def _strategically_merged(write: Write, old: Object, patch: Any, strict: list[str], data: bytes) -> Object:
    current = bodies.versioned(write, old, data)
    touched = _strategic_roots(patch)
    patched = strategic_merge_patch(current, patch, bodies.schema_of(write.scope), in_place=True)

    def refusal(why: str) -> StatusError:
        # What the merge has left of it, as upstream shows it; the first one shares parts with what was decoded since.
        again = bodies.parse_patch(data)[0] or {}
        strategic_merge_patch(bodies.versioned(write, old, data), again, bodies.schema_of(write.scope), in_place=True)
        return invalid_patch_map(again, why)

    try:
        obj = _checked(write, patched, strict, refusal, touched)
    except bodies.Undecodable as e:
        try:
            obj = _checked(write, bodies.restored(write, patched), strict, refusal, touched)
        except bodies.Undecodable as restored:
            raise refusal(str(restored)) from e
    # The struct is told its kind by the URL, whatever the patch says.
    obj["kind"], obj["apiVersion"] = write.scope.gvk.kind, write.scope.gvk.api_version
    return obj


def _roots(operations: Any) -> Collection[str] | None:
    """The top-level fields that a JSON patch may have changed; None: any."""
    roots = set()
    for operation in operations or ():
        for path in ((operation or {}).get("path"), (operation or {}).get("from")):
            if path is not None:
                steps = path.split("/", 2)
                if len(steps) < 2 or "~" in steps[1]:
                    return None
                roots.add(steps[1])
    return roots


def _strategic_roots(patch: Any) -> Collection[str] | None:
    """The same for a strategic merge patch; a directive at its top may reach anything."""
    if not isinstance(patch, dict) or any(key.startswith("$") for key in patch):
        return None
    return set(patch)


def _decoded(
    write: Write, patched: Any, strict: list[str], refusal: Refusal, touched: Collection[str] | None
) -> Object:
    """What a JSON or merge patch made is text to upstream: it may be of another kind by now."""
    try:
        obj, lost = bodies.check_kind(write, patched)
        return _checked(write, obj, [*strict, *lost], refusal, touched)
    except bodies.Undecodable as e:
        raise refusal(str(e)) from e


def _checked(
    write: Write, patched: Any, strict: list[str], refusal: Refusal, touched: Collection[str] | None = None
) -> Object:
    """The patched object, if it is one of its kind; what is only strictly wrong is a warning, or a refusal too.

    Raises Undecodable.
    """
    obj, unknown = bodies.check(write, patched, touched if bodies.unconverted(write) else None)
    strict = [*strict, *unknown]
    if not strict or write.options.field_validation == IGNORE:
        return obj
    if write.options.field_validation == STRICT:
        raise refusal(f"strict decoding error: {', '.join(strict)}")
    write.warnings.extend(strict)
    return obj


def _touched(patched: Any, pointers: Iterable[str]) -> Any:
    """The patched object as upstream's patch library prints it: what the patch went through is a sorted map."""
    if not isinstance(patched, dict):
        return patched
    result: Object = dict(sorted(patched.items()))
    for pointer in pointers:
        at: Any = result
        for step in pointer.split("/")[1:-1]:
            key: Any = int(step) if isinstance(at, list) and step.isdigit() else step
            inner = at.get(key) if isinstance(at, dict) else at[key] if isinstance(key, int) and key < len(at) else None
            if isinstance(inner, dict):
                inner = at[key] = dict(sorted(inner.items()))
            elif not isinstance(inner, list):
                break
            at = inner
    return result


def _sorted(value: Any) -> Any:
    """What a merge patch brings is printed sorted, too."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _pointers(patch: Any, path: str = "") -> Iterator[str]:
    """What a merge patch goes through: its objects."""
    if isinstance(patch, dict):
        yield path + "/"
        for key, value in patch.items():
            yield from _pointers(value, f"{path}/{key}")


def _apply_maker(write: Write, data: bytes) -> Maker:
    """Server-side apply: what the client wants, merged with what is there, by who owns what."""
    strategy = write.strategy
    pending = [bodies.parse_apply(data)]

    def make(old: Object | None) -> Object:
        applied, strict = pending.pop() if pending else bodies.parse_apply(data)
        meta = applied.get("metadata")
        named = dict(meta) if isinstance(meta, dict) else {}
        merged = write.scope.field_manager.on_apply(
            old,
            applied,
            api_version=write.api_version,
            manager=write.options.field_manager,
            force=bool(write.options.force),
            subresource=write.ctx.subresource,
            now=write.ctx.timestamp(),
            reset_fields=strategy.reset_fields(write.scope.version),
        )
        if strict and write.options.field_validation == STRICT:
            raise bad_request(f"error strict decoding patch: {bodies.yaml_strict_error(strict)}")
        if write.options.field_validation != IGNORE:
            write.warnings.extend(strict)
        try:
            obj, _ = bodies.check(write, merged)
        except bodies.Undecodable:
            obj = _restored(write, merged, named)
        return bodies.to_hub(write, obj)

    return make


def _restored(write: Write, merged: Object, named: Object) -> Object:
    """What was merged by its schema is restored into a struct, which checks more: a 500 then, as upstream."""
    try:
        obj, _ = bodies.check(write, bodies.restored(write, merged))
    except bodies.Undecodable as e:
        group, version, kind = write.scope.gvk
        gvk = f"{group}/{version}, Kind={kind}"
        what = f"{named.get('namespace') or ''}/{named.get('name') or ''}; {gvk}"
        convert = f"failed to convert new object ({what}) to proper version"
        why = f"{convert}: unable to convert unstructured object to {gvk}: {e}"
        raise StatusError(500, "", why) from e
    return obj


def _check(write: Write, obj: Object, old: Object | None) -> None:
    """The patched object is still the one the URL names."""
    meta = objects.metadata(obj)
    if old is None and meta.get("uid"):
        uid = meta["uid"]
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise conflict(write.scope.resource.group_resource, write.name, why)
    metadata.match_namespace(write.object_namespace, meta)
    check_name(obj, write.name, write.namespace)
