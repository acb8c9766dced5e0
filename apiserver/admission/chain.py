"""The admission chain: plugins in their order, each asked only about the operations and resources it looks at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from apiserver.admission.interface import AdmissionDependencies, AdmissionPlugin, Attributes
from apiserver.apimachinery.gvk import GroupResource

MAX_REMEMBERED = 4096  # (operation, resource) pairs; custom resources come and go

Plugins = tuple[AdmissionPlugin, ...]


class AdmissionChain:
    """Mutating plugins run first, over the whole object; validating ones later, from within the Store."""

    def __init__(self, plugins: Sequence[AdmissionPlugin]) -> None:
        self.plugins = tuple(plugins)
        self._interested: dict[tuple[str, GroupResource], tuple[Plugins, Plugins]] = {}

    async def admit(self, attributes: Attributes) -> None:
        """Let plugins change the object, or refuse it with a StatusError."""
        for plugin in self._for(attributes)[0]:
            await plugin.admit(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Let plugins refuse the object as it is to be stored."""
        for plugin in self._for(attributes)[1]:
            await plugin.validate(attributes)

    def _for(self, attributes: Attributes) -> tuple[Plugins, Plugins]:
        key = (attributes.operation, attributes.group_resource)
        found = self._interested.get(key)
        if found is None:
            if len(self._interested) >= MAX_REMEMBERED:
                self._interested.clear()
            looking = [plugin for plugin in self.plugins if _looks_at(plugin, *key)]
            found = _having("admit", looking), _having("validate", looking)
            self._interested[key] = found
        return found


def _looks_at(plugin: AdmissionPlugin, operation: str, resource: GroupResource) -> bool:
    return operation in plugin.operations and (plugin.resources is None or resource in plugin.resources)


def _having(step: str, plugins: Iterable[AdmissionPlugin]) -> Plugins:
    """Those that have the step, `admit` or `validate`."""
    return tuple(p for p in plugins if getattr(type(p), step) is not getattr(AdmissionPlugin, step))


def build_chain(
    dependencies: AdmissionDependencies, enable: Iterable[str] = (), disable: Iterable[str] = ()
) -> AdmissionChain:
    """The chain of the default plugins, plus and minus what the command line says (see `plugins.problems`)."""
    from apiserver.admission.plugins import enabled_plugins

    return AdmissionChain([plugin(dependencies) for plugin in enabled_plugins(enable, disable)])
