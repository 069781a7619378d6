from __future__ import annotations

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.planning.job_arrays import Slices, cut, make_elements, parallelism, places, worth_tasks
from jobs.planning.packing import Pack


def cluster(**values: object) -> Cluster:
    return Cluster(**{"kind": "slurm", "time": 60, "array_parallelism": 10} | values)  # type: ignore[arg-type]


def packs(*seconds: float) -> list[Pack]:
    return [Pack(runs=(f"run{number}",), whole=each) for number, each in enumerate(seconds)]


def lengths(elements: list[Slices]) -> list[list[float]]:
    return [[sum(pack.seconds for pack in slice_) for slice_ in element] for element in elements]


def test_every_pack_is_in_one_slice_and_long_ones_come_first() -> None:
    wanted = packs(*range(100, 400, 3))
    elements = make_elements(wanted, cluster(), room=1000)
    found = [pack for element in elements for slice_ in element for pack in slice_]
    assert sorted(found, key=lambda pack: pack.runs) == sorted(wanted, key=lambda pack: pack.runs)
    times = [length for element in lengths(elements) for length in element]
    assert max(times) < 1.1 * min(times)
    assert times == sorted(times, reverse=True)


def test_as_many_elements_as_run_at_once_unless_the_time_limit_asks_for_more() -> None:
    assert len(make_elements(packs(*[60] * 400), cluster(), 1000)) == 10
    # 400 hours in elements of 48 planned minutes.
    assert len(make_elements(packs(*[3600] * 400), cluster(time=60), 1000)) == 400
    assert len(make_elements(packs(*[360] * 4000), cluster(time=60), 1000)) == 500


def test_little_work_is_not_spread_over_many_tasks() -> None:
    assert len(make_elements(packs(*[1] * 90), cluster(), 1000)) == 2
    assert (worth_tasks(90, cluster()), worth_tasks(0, cluster()), worth_tasks(1e6, cluster())) == (2, 1, 10)


@pytest.mark.parametrize("room", [1, 2, 7])
def test_where_room_is_tight_elements_are_larger(room: int) -> None:
    elements = make_elements(packs(*[600] * 100), cluster(), room)
    assert len(elements) == room
    assert sum(len(slice_) for element in elements for slice_ in element) == 100


def test_elements_of_several_tasks_have_slices_of_about_the_same_length() -> None:
    wide = cluster(nodes=2, tasks_per_node=2)
    elements = make_elements(packs(*[1000] * 4, *[500] * 4, *[100] * 4), wide, 3)
    assert lengths(elements) == [[1000] * 4, [500] * 4, [100] * 4]
    assert [len(element) for element in make_elements(packs(*[600] * 6), wide, 1000)] == [4, 2]


def test_in_ddp_mode_an_element_is_one_slice() -> None:
    elements = make_elements(packs(*[600] * 6), cluster(mode="ddp", nodes=2, tasks_per_node=2), 1000)
    assert [len(element) for element in elements] == [1] * 6


def test_arrays_are_cut_by_their_largest_index() -> None:
    elements = make_elements(packs(*[3600] * 12), cluster(array_parallelism=12), 1000)
    arrays = cut(elements, 5)
    assert [len(array) for array in arrays] == [5, 5, 2]
    assert [element for array in arrays for element in array] == elements


def test_nothing_is_no_element() -> None:
    assert make_elements([], cluster(), 3) == []


def test_limits_leave_places() -> None:
    assert (places(None, 3, 1), places(10, 3, 1), places(3, 3, 1)) == (None, 6, 0)
    assert (parallelism(None, 3), parallelism(10, 3), parallelism(2, 3)) == (None, 3, 1)
