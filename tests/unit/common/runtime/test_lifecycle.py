"""Loops start together, come back after a fault that passes, and stop within their bound."""

import asyncio

import pytest

from roster_common.errors import Fatal, Retriable
from roster_common.runtime.lifecycle import Lifecycle, Stopping, StopReport
from roster_common.runtime.metrics import sample


async def _forever(_stopping: Stopping) -> None:
    await asyncio.Event().wait()


async def test_a_loop_that_heeds_the_sign_drains():
    lifecycle = Lifecycle()

    async def loop(stopping: Stopping) -> None:
        while not await stopping.wait(60):
            pass

    lifecycle.add("polite", loop)
    lifecycle.start()

    assert await lifecycle.stop() == StopReport(drained=("polite",), cancelled=(), stuck=())


async def test_a_loop_in_the_middle_of_its_work_may_end_it():
    lifecycle = Lifecycle(drain_timeout_s=5)
    working, done = asyncio.Event(), []

    async def loop(stopping: Stopping) -> None:
        working.set()
        await stopping.wait(60)
        await asyncio.sleep(0)
        done.append("committed")

    lifecycle.add("worker", loop)
    lifecycle.start()
    await working.wait()
    report = await lifecycle.stop()

    assert done == ["committed"]
    assert report.drained == ("worker",)


async def test_a_loop_that_does_not_drain_is_cancelled():
    lifecycle = Lifecycle(drain_timeout_s=0.01)
    started = asyncio.Event()

    async def loop(stopping: Stopping) -> None:
        started.set()
        await _forever(stopping)

    lifecycle.add("deaf", loop)
    lifecycle.start()
    await started.wait()

    assert await lifecycle.stop() == StopReport(drained=(), cancelled=("deaf",), stuck=())


async def test_a_loop_that_ignores_even_the_cancel_is_named():
    lifecycle = Lifecycle(drain_timeout_s=0.01, cancel_timeout_s=0.01)
    release, started = asyncio.Event(), asyncio.Event()

    async def loop(_stopping: Stopping) -> None:
        started.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    lifecycle.add("stubborn", loop)
    lifecycle.start()
    await started.wait()
    report = await lifecycle.stop()
    release.set()

    assert report == StopReport(drained=(), cancelled=(), stuck=("stubborn",))


async def test_stopping_twice_and_stopping_before_the_start_do_no_harm():
    lifecycle = Lifecycle()
    lifecycle.add("one", _forever)

    assert await lifecycle.stop() == StopReport(drained=(), cancelled=(), stuck=())
    assert await lifecycle.stop() == StopReport(drained=(), cancelled=(), stuck=())


@pytest.mark.parametrize("error", [Retriable("away"), ConnectionRefusedError(), TimeoutError()])
async def test_a_loop_comes_back_after_a_fault_that_passes(error):
    gave_up: list[str] = []
    lifecycle = Lifecycle(on_fatal=gave_up.append)
    runs, again = 0, asyncio.Event()

    async def loop(stopping: Stopping) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise error
        again.set()
        await stopping.wait(60)

    before = sample("loop_failures_total", loop="flaky", road="retriable")
    lifecycle.add("flaky", loop)
    lifecycle.start()
    async with asyncio.timeout(5):
        await again.wait()
    check = await lifecycle.check()
    await lifecycle.stop()

    assert check.ok
    assert check.detail["loops"]["flaky"]["restarts"] == 1
    assert sample("loop_failures_total", loop="flaky", road="retriable") == before + 1
    assert gave_up == []


@pytest.mark.parametrize(
    "error", [Fatal("gap in the log"), ExceptionGroup("two", [Retriable("x"), Fatal("y")])]
)
async def test_a_fatal_fault_asks_the_process_to_stop(error):
    gave_up: asyncio.Queue[str] = asyncio.Queue()
    lifecycle = Lifecycle(on_fatal=gave_up.put_nowait)

    async def loop(_stopping: Stopping) -> None:
        raise error

    lifecycle.add("doomed", loop)
    lifecycle.start()
    async with asyncio.timeout(5):
        name = await gave_up.get()
    check = await lifecycle.check()
    await lifecycle.stop()

    assert name == "doomed"
    assert not check.ok
    assert check.detail["loops"]["doomed"]["state"] == "failed"


async def test_faults_nobody_foresaw_are_tried_again_a_few_times_only():
    gave_up: asyncio.Queue[str] = asyncio.Queue()
    lifecycle = Lifecycle(on_fatal=gave_up.put_nowait, backoff_first_s=0.001)
    runs = 0

    async def loop(_stopping: Stopping) -> None:
        nonlocal runs
        runs += 1
        raise KeyError("x")

    lifecycle.add("buggy", loop)
    lifecycle.start()
    async with asyncio.timeout(5):
        await gave_up.get()
    await lifecycle.stop()

    assert runs == 5


async def test_one_loop_that_fails_leaves_the_others_alone():
    lifecycle = Lifecycle(on_fatal=lambda _name: None)
    alive = asyncio.Event()

    async def doomed(_stopping: Stopping) -> None:
        raise Fatal("x")

    async def other(stopping: Stopping) -> None:
        await asyncio.sleep(0)
        alive.set()
        await stopping.wait(60)

    lifecycle.add("doomed", doomed)
    lifecycle.add("other", other)
    lifecycle.start()
    async with asyncio.timeout(5):
        await alive.wait()
    check = await lifecycle.check()
    await lifecycle.stop()

    assert check.detail["loops"]["other"]["state"] == "running"


async def test_a_periodic_call_comes_at_once_and_again():
    lifecycle = Lifecycle()
    calls, third = 0, asyncio.Event()

    async def fn() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            third.set()

    lifecycle.every("tick", 0.001, fn, timeout_s=1)
    lifecycle.start()
    async with asyncio.timeout(5):
        await third.wait()
    report = await lifecycle.stop()

    assert report.drained == ("tick",)


async def test_a_periodic_call_that_hangs_is_cut_off_and_counted():
    lifecycle = Lifecycle()
    before = sample("loop_failures_total", loop="hangs", road="retriable")
    again = asyncio.Event()
    calls = 0

    async def fn() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            again.set()
        await asyncio.Event().wait()

    lifecycle.every("hangs", 60, fn, timeout_s=0.01)
    lifecycle.start()
    async with asyncio.timeout(5):
        await again.wait()
    await lifecycle.stop()

    assert sample("loop_failures_total", loop="hangs", road="retriable") >= before + 1


async def test_two_loops_of_one_name_are_a_bug():
    lifecycle = Lifecycle()
    lifecycle.add("one", _forever)

    with pytest.raises(Fatal):
        lifecycle.add("one", _forever)
