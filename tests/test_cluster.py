"""Several processes: shares of whole batches, the same results for any number, errors that reach all, no hang."""

import os
import signal
import time
from datetime import timedelta

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from canonic import CSS, Settings, convert, evaluate
from canonic.cluster import ALONE, Workers, cluster, workers
from canonic.conversion.calibrate import calibrate
from canonic.conversion.convert import examine, spiking
from canonic.conversion.populations import set_codes
from canonic.conversion.settings import resolve
from canonic.errors import ClusterError, DataError
from canonic.network.samples import Samples, merged
from tests.groups import in_group, results


def test_a_process_alone_does_everything():
    with cluster() as group:
        assert group == workers() == ALONE
    data = iter([1, 2])
    assert ALONE.share(data) is data
    assert (ALONE.first, str(Workers(1, 4))) == (True, "process 2 of 4")
    with pytest.raises(ZeroDivisionError):
        ALONE.together(lambda: 1 // 0)


@pytest.mark.parametrize("world", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_shares_hold_every_batch_once_and_in_order(world, kind):
    shares = [list(Workers(rank, world).share(kind(range(7)))) for rank in range(world)]
    assert [shares[index % world][index // world] for index in range(7)] == list(range(7))
    assert sum(map(len, shares)) == 7


class Told(TensorDataset):
    """Samples that remember who asked for them."""

    def __init__(self, *tensors):
        super().__init__(*tensors)
        self.asked = []

    def __getitem__(self, index):
        self.asked.append(index)
        return super().__getitem__(index)


def share_of_loaders(group):
    data = Told(torch.arange(11))
    loaders = [DataLoader(data, batch_size=2), DataLoader(data, batch_size=None)]
    shares = [[x.tolist() for (x,) in group.share(loader)] for loader in loaders]
    exchanged = group.gathered(group.rank), group.sent(group.rank, 1), group.summed(torch.tensor([1, group.rank]))
    return shares, data.asked, exchanged


def test_a_loader_loads_only_the_samples_of_its_share_and_values_travel():
    for rank, (shares, asked, exchanged) in enumerate(results(2, share_of_loaders)):
        batches, singles = shares
        assert batches == [[[0, 1], [4, 5], [8, 9]], [[2, 3], [6, 7], [10]]][rank]
        assert singles == list(range(rank, 11, 2))
        assert asked == [*(i for batch in batches for i in batch), *singles]
        assert exchanged[:2] == ([0, 1], 1)
        assert exchanged[2].tolist() == [2, 1]


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 3)).eval()


def uneven_batches():
    """Ten batches of 1 to 40 samples, of growing size and range, and one process more than half of them."""
    generator = torch.Generator().manual_seed(2)
    sizes = [30, 7, 30, 1, 40, 12, 30, 30, 5]
    return [torch.randn(size, 4, generator=generator) * 1.7**index for index, size in enumerate(sizes)]


def made(group, examined):
    """Return the tensors of the spiking network, and its record."""
    code, settings = CSS(4, 1), Settings()
    graph = set_codes(examined.graph, code, resolve(settings, [node.name for node in examined.graph.populations]))
    seen = calibrate(graph, examined.data, first=examined.first, group=group)
    snn = spiking(graph, seen, code, settings)
    return {f"{node.name}/{key}": t for node in snn.graph.nodes for key, t in node.tensors.items()}, snn.record


@pytest.mark.parametrize(("world", "number"), [(2, 9), (4, 9), (4, 2)], ids=["two", "four", "more than batches"])
def test_calibration_ends_the_same_for_any_number_of_processes(world, number):
    data = uneven_batches()[:number]
    examined = examine(network(), data, "direct", CSS())
    tensors, record = made(ALONE, examined)
    assert record["calibration"]["samples"] == sum(map(len, data))
    for others, told in results(world, made, examined):
        assert told == record
        assert others.keys() == tensors.keys()
        assert all(torch.equal(others[name], tensors[name]) for name in tensors)


def labelled_batches(number):
    generator = torch.Generator().manual_seed(3)
    sizes = [20, 20, 20, 20, 20, 20, 3][-number:]
    return [(torch.randn(n, 4, generator=generator), torch.randint(3, (n,), generator=generator)) for n in sizes]


def measured(group, snn, data):
    found = evaluate(snn, data, progress=False).to_json()
    found["latency"].pop("wall")
    return found


@pytest.mark.parametrize(("world", "number"), [(2, 7), (4, 7), (4, 2)], ids=["two", "four", "more than batches"])
def test_an_evaluation_ends_the_same_for_any_number_of_processes(world, number):
    snn, data = convert(network(), uneven_batches(), code=CSS(4, 1)), labelled_batches(number)
    alone = measured(ALONE, snn, data)
    assert alone["data"]["samples"] == sum(len(y) for _, y in data)
    assert results(world, measured, snn, data) == [alone] * world


def interrupted(group, snn, data):
    """Ctrl-C in all processes, in the second batch of each; those that have none wait for the others."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores it

    def some():
        for number, batch in enumerate(data):
            if number == 2 + group.rank:
                signal.raise_signal(signal.SIGINT)
            yield batch

    return evaluate(snn, some(), progress=False).to_json()["data"]


def test_after_ctrl_c_the_parts_of_all_are_kept_and_marked():
    snn, data = convert(network(), uneven_batches(), code=CSS(4, 1)), labelled_batches(7)
    for found in results(2, interrupted, snn, data):
        assert not found["complete"]
        assert found["samples"] == 40
        assert "interrupted" in found["gap"]


def kept_of(group, sizes):
    """Return the numbers of the samples that are kept, where the batches hold the numbers 0, 1, 2, ..."""
    batches = torch.arange(float(sum(sizes))).split(sizes)
    kept = Samples(sizes[0], 10)
    for number in range(group.rank, len(batches), group.world):
        kept = kept.add(number, [batches[number]])
    return merged(kept, group).inputs[0].tolist()


def test_the_kept_samples_are_those_of_one_process_and_evenly_spaced():
    assert kept_of(ALONE, [7] * 11 + [3]) == list(range(0, 80, 8))
    for sizes in ([7] * 11 + [3], [40], [1, 30, 2, 2, 60, 5, 5]):
        alone = kept_of(ALONE, sizes)
        assert 5 <= len(alone) <= 10
        assert all(kept == alone for kept in results(3, kept_of, sizes))


def shuffled(group):
    torch.manual_seed(group.rank)
    return list(group.share(DataLoader(TensorDataset(torch.arange(20)), shuffle=True)))


def test_batches_that_differ_between_processes_are_refused():
    for error in results(2, shuffled):
        assert isinstance(error, DataError)
        assert "differ from process to process: use shuffle=False" in str(error)


def fails(group, kind):
    def work():
        if group.rank == 1:
            raise kind("a picture is damaged")

    group.together(work)


@pytest.mark.parametrize("kind", [DataError, ZeroDivisionError])
def test_an_error_in_one_process_is_raised_in_all(kind):
    first, second, third = results(3, fails, kind)
    assert isinstance(second, kind)
    assert str(second) == "a picture is damaged"
    for error in (first, third):
        assert isinstance(error, DataError if kind is DataError else ClusterError)
        assert "a picture is damaged" in str(error)
        assert "process 2 of 3" in str(error)


def test_a_bad_batch_in_the_share_of_one_process_is_named_by_all():
    data = uneven_batches()
    data[3][0, 0] = torch.nan
    for error in results(2, made, examine(network(), data, "direct", CSS())):
        assert isinstance(error, DataError)
        assert "calibration batch 3: input input holds NaN" in str(error)


def dies(group):
    if group.rank == 1:
        os._exit(7)
    group.gathered(group.rank)


def test_a_lost_process_ends_the_others_with_an_error_and_soon():
    start = time.monotonic()
    first, lost, *others = in_group(4, dies)
    assert (lost.result, lost.code) == (None, 7)
    for ended in (first, *others):
        assert isinstance(ended.result, ClusterError)
        assert "lost contact with the others: one of them ended" in str(ended.result)
        assert "start all of them again" in str(ended.result)
    assert time.monotonic() - start < 30


def sleeps(group):
    if group.rank == 1:
        time.sleep(6)
    return group.gathered(group.rank)


def test_a_process_that_keeps_the_others_waiting_for_too_long_is_given_up():
    for ended in in_group(2, sleeps, patience=timedelta(seconds=2)):
        assert isinstance(ended.result, ClusterError)
        assert "was silent for too long" in str(ended.result)
