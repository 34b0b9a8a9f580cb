"""A device that is not there: its tensors compute on the processor, and refuse to meet tensors that lie there.

It calls itself "meta", the one device of torch without memory, so that every build of torch knows it. What a GPU would
refuse, two tensors on two devices (numbers without axes aside), is refused on any machine.
"""

from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

NAME = "meta"
MOVES = ("aten._to_copy.default", "aten.copy_.default")


class There(torch.Tensor):
    """A tensor of that device, around the one on the processor that holds its numbers."""

    @staticmethod
    def __new__(cls, here):
        given = {"strides": here.stride(), "dtype": here.dtype, "device": NAME}
        tensor = torch.Tensor._make_wrapper_subclass(cls, here.shape, **given)
        tensor.here = here
        return tensor

    @classmethod
    def __torch_dispatch__(cls, operator, types, args=(), kwargs=None):
        return called(operator, args, kwargs or {})


def called(operator, args, kwargs):
    """Call an operator on the processor; what it returns lies where it would on a real device."""
    tensors = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    there = any(isinstance(tensor, There) for tensor in tensors)
    strangers = [tensor for tensor in tensors if not isinstance(tensor, There) and tensor.dim()]
    if there and strangers and str(operator) not in MOVES:
        raise RuntimeError(f"{operator}: tensors {[list(s.shape) for s in strangers]} lie on another device")
    if (device := kwargs.get("device")) is not None:
        there, kwargs = torch.device(device).type == NAME, {**kwargs, "device": "cpu"}
    plain, options = pytree.tree_map_only(There, lambda tensor: tensor.here, (args, kwargs))
    result = operator(*plain, **options)
    if plain and result is plain[0]:
        return args[0]  # in place
    return pytree.tree_map_only(torch.Tensor, There, result) if there else result


class _Operators(TorchDispatchMode):
    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        return called(operator, args, kwargs or {})


class _Literals(TorchFunctionMode):
    """``torch.tensor`` makes its tensor before any operator is called: it is moved afterwards."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        device = kwargs.pop("device", None) if function is torch.tensor else None
        made = function(*args, **kwargs)
        return made if device is None else made.to(device)


@contextmanager
def pretended():
    """Make the device known, and return its name."""
    with torch.no_grad(), _Operators(), _Literals():
        yield NAME
