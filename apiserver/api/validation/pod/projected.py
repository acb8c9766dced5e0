"""Files from the API: secrets, config maps, downward fields, tokens, bundles, certificates; alone or projected together."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.validation.internal import label_selector
from apiserver.api.validation.label_selectors import label_selector_errors
from apiserver.api.validation.pod.field_refs import VOLUME_FIELDS, field_ref_errors, resource_field_errors
from apiserver.api.validation.pod.names import user_errors
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.paths import file_mode_errors, local_path_errors
from apiserver.api.validation.signers import (
    bundle_name_errors,
    is_kubernetes_signer,
    signer_name_errors,
)
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid, not_supported, required, too_long
from apiserver.apimachinery.object_meta import MAX_ANNOTATIONS
from apiserver.apimachinery.objects import Object

KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
MIN_TOKEN_LIFE, MAX_TOKEN_LIFE = 600, 1 << 32  # seconds
MIN_CERTIFICATE_LIFE = 3600
MAX_CERTIFICATE_LIFE, MAX_KUBERNETES_CERTIFICATE_LIFE = 91 * 86400, 86400


def secret_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    yield from _key_source_errors(source, path, "secretName")


def config_map_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    yield from _key_source_errors(source, path, "name")


def _key_source_errors(source: Object, path: str, name_field: str) -> Iterator[FieldError]:
    if not source.get(name_field):
        yield required(f"{path}.{name_field}")
    yield from file_mode_errors(source.get("defaultMode"), f"{path}.defaultMode")
    yield from user_errors(source.get("defaultUser"), f"{path}.defaultUser")
    for i, item in enumerate(source.get("items") or ()):
        yield from _key_to_path_errors(item, f"{path}.items[{i}]")


def _key_to_path_errors(item: Object, path: str) -> Iterator[FieldError]:
    if not item.get("key"):
        yield required(f"{path}.key")
    if not item.get("path"):
        yield required(f"{path}.path")
    yield from local_path_errors(item.get("path") or "", f"{path}.path")
    yield from file_mode_errors(item.get("mode"), f"{path}.mode")
    yield from user_errors(item.get("user"), f"{path}.user")


def downward_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    yield from file_mode_errors(source.get("defaultMode"), f"{path}.defaultMode")
    yield from user_errors(source.get("defaultUser"), f"{path}.defaultUser")
    for item in source.get("items") or ():
        yield from _downward_file_errors(item, path)


def _downward_file_errors(item: Object, path: str) -> Iterator[FieldError]:
    if not item.get("path"):
        yield required(f"{path}.path")
    yield from local_path_errors(item.get("path") or "", f"{path}.path")
    if item.get("fieldRef") is not None:
        yield from field_ref_errors(item["fieldRef"], VOLUME_FIELDS, f"{path}.fieldRef")
        if item.get("resourceFieldRef") is not None:
            yield invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif item.get("resourceFieldRef") is not None:
        yield from resource_field_errors(item["resourceFieldRef"], f"{path}.resourceFieldRef", in_volume=True)
    else:
        yield required(path, "one of fieldRef and resourceFieldRef is required")
    yield from file_mode_errors(item.get("mode"), f"{path}.mode")
    yield from user_errors(item.get("user"), f"{path}.user")


def projected_errors(source: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    yield from file_mode_errors(source.get("defaultMode"), f"{path}.defaultMode")
    yield from user_errors(source.get("defaultUser"), f"{path}.defaultUser")
    taken: set[str] = set()
    for i, part in enumerate(source.get("sources") or ()):
        here, count = f"{path}.sources[{i}]", 0
        for field, check in _PARTS.items():
            if part.get(field) is not None:
                count += 1
                yield from check(part[field], f"{here}.{field}", path, taken, options)
        if count > 1:
            yield field_forbidden(here, "may not specify more than 1 volume type per source")


def _take(target: str, shown: str, volume_path: str, taken: set[str]) -> Iterator[FieldError]:
    """Every file of the volume has a path of its own."""
    if target in taken:
        yield invalid(volume_path, shown, "conflicting duplicate paths")
    taken.add(target)


def _keys_part(source: Object, path: str, volume: str, taken: set[str], options: PodOptions) -> Iterator[FieldError]:
    name = source.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    for i, item in enumerate(source.get("items") or ()):
        yield from _key_to_path_errors(item, f"{path}.items[{i}]")
        if item.get("path"):
            yield from _take(item["path"], name, volume, taken)


def _downward_part(
    source: Object, path: str, volume: str, taken: set[str], options: PodOptions
) -> Iterator[FieldError]:
    for item in source.get("items") or ():
        yield from _downward_file_errors(item, path)
        if item.get("path"):
            yield from _take(item["path"], item["path"], volume, taken)


def _token_part(source: Object, path: str, volume: str, taken: set[str], options: PodOptions) -> Iterator[FieldError]:
    life = source.get("expirationSeconds")
    if life is None:
        yield required(f"{path}.expirationSeconds")
    elif life < MIN_TOKEN_LIFE:
        yield invalid(f"{path}.expirationSeconds", life, "may not specify a duration less than 10 minutes")
    elif life > MAX_TOKEN_LIFE:
        yield invalid(f"{path}.expirationSeconds", life, "may not specify a duration larger than 2^32 seconds")
    if not source.get("path"):
        yield required(f"{volume}.path")
    elif not options.any_token_path:
        yield from local_path_errors(source["path"], f"{volume}.path")
    yield from user_errors(source.get("user"), f"{path}.user")


def _bundle_part(source: Object, path: str, volume: str, taken: set[str], options: PodOptions) -> Iterator[FieldError]:
    name, signer, selector = source.get("name"), source.get("signerName"), source.get("labelSelector")
    if name is not None and signer is not None:
        shown = {
            "Name": name,
            "SignerName": signer,
            "LabelSelector": label_selector(selector),
            "Optional": source.get("optional"),
            "Path": source.get("path") or "",
            "User": source.get("user"),
        }
        yield invalid(path, shown, "only one of name and signerName may be used")
    elif name is not None:
        if not name:
            yield required(f"{path}.name", "must be a valid object name")
        for message in bundle_name_errors(name):
            yield invalid(f"{path}.name", name, f"not a valid clustertrustbundlename: {message}")
        if selector is not None:
            yield invalid(
                f"{path}.labelSelector", label_selector(selector), "labelSelector must be unset if name is specified"
            )
    elif signer is not None:
        if not signer:
            yield required(f"{path}.signerName", "must be a valid signer name")
        yield from signer_name_errors(signer, f"{path}.signerName")
        yield from label_selector_errors(selector, f"{path}.labelSelector")
    else:
        yield required(path, "either name or signerName must be specified")
    if not source.get("path"):
        yield required(f"{path}.path")
    yield from user_errors(source.get("user"), f"{path}.user")
    yield from local_path_errors(source.get("path") or "", f"{path}.path")
    yield from _take(source.get("path") or "", source.get("path") or "", volume, taken)


def _certificate_part(
    source: Object, path: str, volume: str, taken: set[str], options: PodOptions
) -> Iterator[FieldError]:
    signer = source.get("signerName") or ""
    yield from signer_name_errors(signer, f"{path}.signerName")
    yield from _user_annotations_errors(source.get("userAnnotations"), f"{path}.userAnnotations")
    yield from user_errors(source.get("user"), f"{path}.user")
    if (source.get("keyType") or "") not in KEY_TYPES:
        yield not_supported(f"{path}.keyType", source.get("keyType") or "", KEY_TYPES)
    yield from _certificate_life_errors(source.get("maxExpirationSeconds"), signer, f"{path}.maxExpirationSeconds")
    count = 0
    for field in ("credentialBundlePath", "keyPath", "certificateChainPath"):
        if source.get(field):
            count += 1
            yield from local_path_errors(source[field], f"{path}.{field}")
            yield from _take(source[field], source[field], volume, taken)
    if not count:
        yield required(path, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath")


def _certificate_life_errors(life: int | None, signer: str, path: str) -> Iterator[FieldError]:
    if life is None:
        return
    if life < MIN_CERTIFICATE_LIFE:
        yield invalid(path, life, "if provided, maxExpirationSeconds must be >= 3600")
    longest = MAX_KUBERNETES_CERTIFICATE_LIFE if is_kubernetes_signer(signer) else MAX_CERTIFICATE_LIFE
    if life > longest:
        yield invalid(path, life, f"if provided, maxExpirationSeconds must be <= {longest}")


def _user_annotations_errors(annotations: dict[str, str] | None, path: str) -> Iterator[FieldError]:
    size = 0
    for key, value in (annotations or {}).items():
        lower = key.lower()
        messages = formats.qualified_name(lower)
        if not lower:
            yield required(path)
        elif messages:
            for message in messages:
                yield invalid(path, lower, message)
        elif "/" not in lower:
            yield invalid(path, lower, 'must be a domain-prefixed key (such as "acme.io/foo")')
        size += formats.byte_length(key) + formats.byte_length(value)
    if size > MAX_ANNOTATIONS:
        yield too_long(path, MAX_ANNOTATIONS)


_PARTS = {
    "secret": _keys_part,
    "configMap": _keys_part,
    "downwardAPI": _downward_part,
    "serviceAccountToken": _token_part,
    "clusterTrustBundle": _bundle_part,
    "podCertificate": _certificate_part,
}
