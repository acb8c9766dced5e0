"""The table of plugins: one line each. What is enabled by default, in this order, with these weights; what else there is.

Mirrors upstream apis/config/v1/default_plugins.go. Plugins of other packages: `installed.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from controllers.scheduler.framework.interface import Plugin
from controllers.scheduler.plugins.default_binder import DefaultBinder
from controllers.scheduler.plugins.default_preemption import DefaultPreemption
from controllers.scheduler.plugins.dynamic_resources import DynamicResources
from controllers.scheduler.plugins.image_locality import ImageLocality
from controllers.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from controllers.scheduler.plugins.node_affinity import NodeAffinity
from controllers.scheduler.plugins.node_declared_features import NodeDeclaredFeatures
from controllers.scheduler.plugins.node_name import NodeName
from controllers.scheduler.plugins.node_ports import NodePorts
from controllers.scheduler.plugins.node_resources_balanced_allocation import NodeResourcesBalancedAllocation
from controllers.scheduler.plugins.node_resources_fit import NodeResourcesFit
from controllers.scheduler.plugins.node_unschedulable import NodeUnschedulable
from controllers.scheduler.plugins.node_volume_limits import NodeVolumeLimits
from controllers.scheduler.plugins.pod_topology_spread import PodTopologySpread
from controllers.scheduler.plugins.priority_sort import PrioritySort
from controllers.scheduler.plugins.scheduling_gates import SchedulingGates
from controllers.scheduler.plugins.taint_toleration import TaintToleration
from controllers.scheduler.plugins.volume_binding import VolumeBinding
from controllers.scheduler.plugins.volume_restrictions import VolumeRestrictions
from controllers.scheduler.plugins.volume_zone import VolumeZone

# A plugin's weight counts where it scores; 0 where it does not.
ENABLED: tuple[tuple[type[Plugin], int], ...] = (
    (SchedulingGates, 0),
    (PrioritySort, 0),
    (NodeName, 0),
    (NodeUnschedulable, 0),
    (TaintToleration, 3),
    (NodeAffinity, 2),
    (NodePorts, 0),
    (NodeResourcesFit, 1),
    (VolumeRestrictions, 0),
    (NodeVolumeLimits, 0),
    (VolumeBinding, 1),
    (VolumeZone, 0),
    (PodTopologySpread, 2),
    (InterPodAffinity, 2),
    (DynamicResources, 0),  # before DefaultPreemption, as upstream: its seat
    (DefaultPreemption, 0),
    (NodeResourcesBalancedAllocation, 1),
    (ImageLocality, 1),
    (DefaultBinder, 0),
    (NodeDeclaredFeatures, 0),
)

# Plugins that run only where a configuration enables them.
ON_REQUEST: tuple[type[Plugin], ...] = ()

DEFAULT_PROFILE: tuple[tuple[str, int], ...] = tuple((plugin.name, weight) for plugin, weight in ENABLED)
PLUGINS: Mapping[str, type[Plugin]] = {
    plugin.name: plugin for plugin in (*(plugin for plugin, _ in ENABLED), *ON_REQUEST)
}
