"""Lists of resources: rounding, sums and comparisons of their quantities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from apiserver.apimachinery.quantity import Quantity, QuantityError, parse

ResourceList = Mapping[str, str]
ZERO = Quantity(0)


@lru_cache(maxsize=4096)
def rounded(text: str) -> str:
    """A quantity of a resource list as the API shows it: canonical, in thousandths at the finest, rounded up."""
    try:
        quantity = parse(text).round_up(-3)
    except QuantityError:
        return text
    return str(Quantity(quantity.unscaled, quantity.scale, quantity.format))


def round_list(resources: dict[str, str] | None) -> None:
    """Upstream SetDefaults_ResourceList, in place."""
    if resources:
        for name, text in resources.items():
            if not text.isdigit():
                resources[name] = rounded(text)


def quantity(resources: ResourceList | None, name: str) -> Quantity:
    """The named quantity; zero when absent."""
    text = (resources or {}).get(name)
    return parse(text) if text else ZERO


def add(total: dict[str, Quantity], resources: ResourceList | None) -> None:
    for name, text in (resources or {}).items():
        total[name] = total[name] + parse(text) if name in total else parse(text)


def add_quantities(total: dict[str, Quantity], resources: Mapping[str, Quantity]) -> None:
    for name, amount in resources.items():
        total[name] = total[name] + amount if name in total else amount


def raise_to(total: dict[str, Quantity], resources: Mapping[str, Quantity]) -> None:
    """The larger of both, for each resource."""
    for name, amount in resources.items():
        if name not in total or amount > total[name]:
            total[name] = amount


def same(a: ResourceList | None, b: ResourceList | None) -> bool:
    """Equal by value."""
    a, b = a or {}, b or {}
    return a == b or (a.keys() == b.keys() and all(parse(a[name]) == parse(b[name]) for name in a))


def texts(resources: Mapping[str, Quantity], names: Iterable[str]) -> dict[str, str]:
    return {name: str(resources[name]) for name in names}
