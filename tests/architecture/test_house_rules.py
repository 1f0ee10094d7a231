"""The house rules hold in the whole tree, and each one catches a small bad sample."""

import tomllib
from collections.abc import Mapping
from functools import cache

import pytest

from tests.architecture import house_rules as rules
from tests.architecture.house_rules import Rule, Source, Violation
from tests.architecture.workspace import ROOT, SERVICES, SOURCE_FOLDERS, python_files

_ADAPTER = "services/sis-ingest/src/sis_ingest/adapters/postgres/sample.py"
_SAMPLE = "services/sis-ingest/src/sis_ingest/sample.py"

BAD: Mapping[Rule, tuple[str, ...]] = {
    rules.only_settings_read_the_environment: (
        'import os\nhome = os.environ["HOME"]\n',
        'from os import getenv as ask\nhome = ask("HOME")\n',
        "import os as system\nchildren = dict(system.environ)\n",
    ),
    rules.only_the_clock_tells_the_time: (
        "from datetime import UTC, datetime\nnow = datetime.now(UTC)\n",
        "import datetime as dt\ntoday = dt.date.today()\n",
        "import time\nnow = time.time()\n",
        "from time import time\nread_clock = time\n",
    ),
    rules.event_names_are_constants: (
        'logger.info(f"stored_{count}")\n',
        'self._logger.warning("stored %s" % name)\n',
        'logger.error("Delivery refused!")\n',
        "log.info(event)\n",
    ),
    rules.modules_say_what_they_are: ("VALUE = 1\n",),
    rules.files_are_short: ("x = 1\n" * 501,),
    rules.functions_are_short: ("async def long():\n" + "    x = 1\n" * 60,),
    rules.inner_functions_say_what_they_do: (
        "def outer():\n    def inner():\n" + "        x = 1\n" * 8,
        "def outer():\n    if True:\n        async def inner():\n" + "            x = 1\n" * 8,
    ),
    rules.queries_name_the_district: (
        'ONE = "SELECT * FROM sis_ingest.run WHERE run_id = $1"\n',
        'def f(t):\n    return f"DELETE FROM roster_publisher.pull WHERE x < {t}"\n',
        '# house: no-district\nONE = "SELECT 1 FROM sis_ingest.run"\n',
        '# house: no-district — ids are unique\n\nONE = "SELECT 1 FROM sis_ingest.run"\n',
    ),
}
GOOD: Mapping[Rule, tuple[str, ...]] = {
    rules.only_settings_read_the_environment: ("import os\nos.getpid()\n",),
    rules.only_the_clock_tells_the_time: (
        "import time\nfrom datetime import datetime\ntime.monotonic()\ndatetime.fromtimestamp(0)\n",
    ),
    rules.event_names_are_constants: ('logger.info("delivery_stored", bytes=3)\n',),
    rules.modules_say_what_they_are: ('"""What it is."""\n',),
    rules.files_are_short: ("x = 1\n" * 500,),
    rules.functions_are_short: ("async def long():\n" + "    x = 1\n" * 59,),
    rules.inner_functions_say_what_they_do: (
        "def outer():\n    def inner():\n" + "        x = 1\n" * 7,
        'def outer():\n    def inner():\n        """Says."""\n' + "        x = 1\n" * 8,
        "class Outer:\n    def method(self):\n" + "        x = 1\n" * 8,
    ),
    rules.queries_name_the_district: (
        '"""Reads FROM sis_ingest.run."""\n',
        'ONE = "SELECT * FROM sis_ingest.run WHERE district_id = $1"\n',
        '# house: no-district — ids are unique\nONE = "SELECT 1 FROM sis_ingest.run"\n',
        '# house: no-district — ids are unique\nONE = (\n    "SELECT 1 FROM sis_ingest.run"\n)\n',
        'def f():  # house: no-district — ids are unique\n    g("SELECT 1 FROM sis_ingest.run")\n',
        'ONE = "SELECT 1 FROM ticket_events.consumer_position"\n',
        'ONE = "no directory_sync.targets here"\n',
    ),
}


@cache
def _sources(*folders: str) -> tuple[Source, ...]:
    return tuple(rules.read(file, ROOT) for file in python_files(*folders))


def _found(rule: Rule, text: str) -> list[Violation]:
    path = _ADAPTER if rule is rules.queries_name_the_district else _SAMPLE
    return list(rule(rules.source_of(path, text)))


@pytest.mark.parametrize("rule", rules.PRODUCTION_RULES, ids=lambda rule: rule.__name__)
def test_production_code_keeps_the_rule(rule: Rule) -> None:
    found = [str(violation) for source in _sources(*SOURCE_FOLDERS) for violation in rule(source)]

    assert not found, "\n".join(found)


@pytest.mark.parametrize("rule", rules.TEST_RULES, ids=lambda rule: rule.__name__)
def test_tests_keep_the_rule(rule: Rule) -> None:
    found = [str(violation) for source in _sources("tests") for violation in rule(source)]

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("rule", "sample"),
    [(rule, sample) for rule in rules.PRODUCTION_RULES for sample in BAD[rule]],
)
def test_a_bad_sample_is_caught_once(rule: Rule, sample: str) -> None:
    assert len(_found(rule, sample)) == 1


@pytest.mark.parametrize(
    ("rule", "sample"),
    [(rule, sample) for rule in rules.PRODUCTION_RULES for sample in GOOD[rule]],
)
def test_a_good_sample_passes(rule: Rule, sample: str) -> None:
    assert _found(rule, sample) == []


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        (rules.only_settings_read_the_environment, "apps/homeroom/src/homeroom/parts/settings.py"),
        *((rules.only_settings_read_the_environment, path) for path in rules.ENVIRONMENT_READERS),
        *((rules.only_the_clock_tells_the_time, clock) for clock in sorted(rules.CLOCKS)),
        (rules.queries_name_the_district, _SAMPLE),
    ],
)
def test_an_exception_lets_its_own_file_pass_only(rule: Rule, path: str) -> None:
    assert all(not list(rule(rules.source_of(path, sample))) for sample in BAD[rule])


def test_every_exception_still_stands_in_the_tree_and_says_why() -> None:
    assert all((ROOT / clock).is_file() for clock in rules.CLOCKS)
    for path, reason in rules.ENVIRONMENT_READERS.items():
        assert (ROOT / path).is_file()
        assert len(reason) > 20


def test_every_topic_belongs_to_a_service_that_exists() -> None:
    manifest = ROOT / "libs/common/src/roster_common/contracts/topics.toml"
    services = frozenset(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))

    assert services == frozenset(SERVICES)
    assert rules.topics_without_owner(tomllib.loads(manifest.read_text()), services) == []


def test_a_topic_of_nobody_is_caught() -> None:
    manifest = tomllib.loads(
        '[topics."a.b"]\nowner = "sis-ingest"\n[topics."c.d"]\nowner = "crm"\n[topics."e.f"]\n'
    )

    assert rules.topics_without_owner(manifest, frozenset({"sis-ingest"})) == ["c.d", "e.f"]
