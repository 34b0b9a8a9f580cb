"""Imported once, by the process that groups are forked from: what the first conversion loads, they need not load."""

import torch

torch.set_num_threads(1)
from canonic import convert, evaluate  # noqa: E402

_model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 2)).eval()
evaluate(convert(_model, [torch.rand(8, 2)]), [(torch.rand(4, 2), torch.zeros(4, dtype=torch.int64))])
