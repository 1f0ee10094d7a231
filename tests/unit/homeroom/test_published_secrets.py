"""Every secret that the demo publishes is one that a production start refuses."""

from collections.abc import Iterator
from types import ModuleType

import pytest

from homeroom import emulated, installation
from roster_common.runtime.settings import is_demo_secret


def secrets_of(module: ModuleType) -> Iterator[tuple[str, str]]:
    for name, value in vars(module).items():
        if name.endswith("_SECRET") and isinstance(value, str):
            yield f"{module.__name__}.{name}", value


PUBLISHED = dict(one for module in (installation, emulated) for one in secrets_of(module))


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_production_knows_it(name: str) -> None:
    assert is_demo_secret(PUBLISHED[name])


def test_all_of_them_are_looked_at() -> None:
    assert len(PUBLISHED) == 8
