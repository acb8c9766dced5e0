"""Plugins by name: those of the table, and those that other installed packages bring, as upstream's out-of-tree plugins.

A package brings one by an entry point `Name = "module:Class"` in the group `pocketkube.scheduler_plugins`. It is imported
when a configuration names it, and not before; a name of the table stays the table's.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import entry_points

from controllers.scheduler.framework.interface import Plugin, PluginFactory
from controllers.scheduler.framework.profile import POINTS
from controllers.scheduler.plugins.table import PLUGINS

GROUP = "pocketkube.scheduler_plugins"


class PluginError(ValueError):
    """A plugin that is installed and cannot be used; the message says why."""


def find(name: str) -> type[Plugin] | None:
    """The plugin's class; None when nobody has it. Raises PluginError."""
    return PLUGINS.get(name) or _installed(name)


def factory(name: str) -> PluginFactory:
    """Makes the plugin; one that needs neither arguments nor a handle is made without. Raises KeyError, PluginError."""
    plugin = find(name)
    if plugin is None:
        raise KeyError(name)
    if plugin.__init__ is object.__init__:
        return lambda args, handle: plugin()
    make: PluginFactory = plugin
    return make


@lru_cache(maxsize=64)
def _installed(name: str) -> type[Plugin] | None:
    for point in entry_points(group=GROUP, name=name):
        try:
            plugin: type[Plugin] = point.load()
        except (ImportError, AttributeError) as error:
            raise PluginError(f'plugin "{name}" ({point.value}) cannot be imported: {error}') from error
        if faults := list(_faults(name, plugin)):
            raise PluginError(f'plugin "{name}" ({point.value}): {"; ".join(faults)}')
        return plugin
    return None


def _faults(name: str, plugin: type[Plugin]) -> Iterator[str]:
    said = getattr(plugin, "name", None)
    if said != name:
        yield f"it calls itself {said!r}"
    if not any(hasattr(plugin, method) for method in POINTS.values()):
        yield f"it has none of the methods {', '.join(POINTS.values())}"
    if hasattr(plugin, "reserve") and not hasattr(plugin, "unreserve"):
        yield "it reserves and does not unreserve"
