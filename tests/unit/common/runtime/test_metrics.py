"""The list of metrics is closed, and so are its labels."""

import pytest

from roster_common.errors import Fatal
from roster_common.runtime.metrics import METRICS, metric, render, sample, table


def test_a_value_outside_a_closed_set_is_counted_as_other():
    before = sample("deliveries_total", source="t", outcome="other")

    metric("deliveries_total").labels(source="t", outcome="Zacharias").inc()

    assert sample("deliveries_total", source="t", outcome="other") == before + 1
    assert b"Zacharias" not in render()[0]


def test_an_unknown_metric_or_label_is_a_bug():
    with pytest.raises(Fatal):
        metric("made_up_total")
    with pytest.raises(Fatal):
        metric("deliveries_total").labels(source="t")


def test_a_counter_cannot_be_set_and_a_gauge_can():
    with pytest.raises(Fatal):
        metric("dead_letters_total").labels(group="t", reason="x").set(1)

    metric("retention_blocked_partitions").labels().set(3)

    assert sample("retention_blocked_partitions") == 3


def test_a_histogram_takes_measurements():
    metric("outgoing_request_seconds").labels(host_name="t-metrics").observe(0.2)

    assert sample("outgoing_request_seconds_count", host_name="t-metrics") == 1


def test_every_metric_is_in_the_table_with_a_meaning():
    page = table()

    assert all(f"`{spec.name}`" in page and spec.meaning for spec in METRICS)


def test_no_metric_is_labelled_by_a_person():
    labels = {label for spec in METRICS for label in spec.labels}

    assert labels.isdisjoint({"person", "user", "student", "account", "district", "path", "url"})
