"""Several processes: shares of whole batches, values that all get, and errors that reach all instead of a hang."""

import os
import time

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from canonic.cluster import ALONE, Workers, cluster, workers
from canonic.errors import ClusterError, DataError
from tests.groups import in_group


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
    return shares, data.asked, group.gathered(group.rank), group.summed(torch.tensor([1, group.rank]))


def test_a_loader_loads_only_the_samples_of_its_share():
    for rank, ended in enumerate(in_group(2, share_of_loaders)):
        batches, singles = ended.result[0]
        assert batches == [[[0, 1], [4, 5], [8, 9]], [[2, 3], [6, 7], [10]]][rank], ended.output
        assert singles == list(range(rank, 11, 2))
        assert ended.result[1] == [*(i for batch in batches for i in batch), *singles]
        assert ended.result[2] == [0, 1]
        assert ended.result[3].tolist() == [2, 1]


def shuffled(group):
    torch.manual_seed(group.rank)
    return list(group.share(DataLoader(TensorDataset(torch.arange(20)), shuffle=True)))


def test_batches_that_differ_between_processes_are_refused():
    for ended in in_group(2, shuffled):
        assert isinstance(ended.result, DataError), ended.output
        assert "differ from process to process: use shuffle=False" in str(ended.result)


def fails(group, kind):
    def work():
        if group.rank == 1:
            raise kind("a picture is damaged")

    group.together(work)


@pytest.mark.parametrize("kind", [DataError, KeyError])
def test_an_error_in_one_process_is_raised_in_all(kind):
    first, second, third = in_group(3, fails, kind)
    for ended in (first, third):
        assert isinstance(ended.result, DataError if kind is DataError else ClusterError), ended.output
        assert "a picture is damaged" in str(ended.result)
        assert "process 2 of 3" in str(ended.result)
    if kind is DataError:
        assert str(second.result) == "a picture is damaged"
    else:
        assert "KeyError: 'a picture is damaged'" in second.output


def dies(group):
    if group.rank == 1:
        os._exit(7)
    group.gathered(group.rank)


def test_a_lost_process_ends_the_others_with_an_error_and_soon():
    start = time.monotonic()
    lost, *others = sorted(in_group(4, dies), key=lambda ended: ended.code != 7)
    assert lost.code == 7
    for ended in others:
        assert isinstance(ended.result, ClusterError), ended.output
        assert "lost contact with the others: one of them ended" in str(ended.result)
        assert "start all of them again" in str(ended.result)
    assert time.monotonic() - start < 40
