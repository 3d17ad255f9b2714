"""Norms over networks, the average's distance, counts of non-finite values: by hand and NumPy."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from steadygan.diagnostics import ema_distance, gradient_norm, non_finite, parameter_norm
from steadygan.errors import InputError


class Given(nn.Module):
    """Parameters of the values given."""

    def __init__(self, *groups, dtype=torch.float64):
        super().__init__()
        self.groups = nn.ParameterList([nn.Parameter(torch.tensor(group, dtype=dtype)) for group in groups])
        self.register_buffer("kept", torch.full((3,), 100.0))  # no weight


def network(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 1)).double()


def flat(tensors):
    return np.concatenate([tensor.detach().numpy().ravel() for tensor in tensors])


def test_parameter_norm_by_hand():
    assert parameter_norm(Given([[3.0], [0.0]], [-4.0])) == 5.0
    assert parameter_norm(Given(2.0, [[2.0, 2.0], [2.0, 0.0]])) == pytest.approx(4.0, rel=1e-14)
    assert parameter_norm(nn.Tanh()) == 0.0


def test_shared_parameters_count_once():
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 3.0)
    assert parameter_norm(nn.Sequential(layer, layer)) == 3.0


def test_gradient_norm_by_hand():
    module = Given([1.0, 2.0], [7.0], [9.0])
    assert gradient_norm(module) is None
    module.groups[0].grad = torch.tensor([0.0, -3.0], dtype=torch.float64)
    assert gradient_norm(module) == 3.0
    module.groups[2].grad = torch.tensor([4.0], dtype=torch.float64)
    assert gradient_norm(module) == 5.0  # the one without a gradient adds nothing
    module.zero_grad(set_to_none=False)
    assert gradient_norm(module) == 0.0
    assert gradient_norm(nn.Tanh()) is None


def test_numpy():
    G = network()
    G(torch.randn(8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    assert parameter_norm(G) == pytest.approx(np.linalg.norm(flat(G.parameters())), rel=1e-13)
    assert gradient_norm(G) == pytest.approx(np.linalg.norm(flat(p.grad for p in G.parameters())), rel=1e-13)
    average, live = flat(network(1).parameters()), flat(G.parameters())
    expected = np.linalg.norm(average - live) / np.linalg.norm(live)
    assert ema_distance(network(1), G) == pytest.approx(expected, rel=1e-13)


def test_ema_distance_by_hand():
    live = Given([3.0], [4.0])
    assert ema_distance(Given([3.0], [4.0]), live) == 0.0
    assert ema_distance(Given([0.0], [0.0]), live) == 1.0
    assert ema_distance(Given([3.0], [14.0]), live) == 2.0
    assert ema_distance(live, Given([3.0], [14.0])) == pytest.approx(10 / math.sqrt(205))


def test_buffers_are_no_weights():
    average = deepcopy(G := network())
    average[1].running_mean += 5.0
    assert ema_distance(average, G) == 0.0


def test_live_weights_that_are_all_zero():
    zero = Given([0.0], [0.0])
    assert ema_distance(zero, zero) == 0.0
    assert ema_distance(Given([0.0], [1e-9]), zero) == math.inf
    assert ema_distance(nn.Tanh(), nn.Tanh()) == 0.0
    assert math.isnan(ema_distance(Given([math.nan], [0.0]), zero))


def test_another_network():
    with pytest.raises(InputError, match=r"'groups\.1' in one only"):
        ema_distance(Given([1.0]), Given([1.0], [1.0]))
    with pytest.raises(InputError, match=r"'groups\.1' in one only"):
        ema_distance(Given([1.0], [1.0]), Given([1.0]))
    with pytest.raises(InputError, match=r"'groups\.0' \(1,\) for \(2,\)"):
        ema_distance(Given([1.0]), Given([1.0, 1.0]))


def test_narrow_weights_are_summed_in_float64():
    """300^2 is infinite in float16, and 4096 ones more are lost on 2^12 in bfloat16."""
    half = Given([300.0, 400.0], dtype=torch.float16)
    half.groups[0].grad = torch.tensor([300.0, 400.0], dtype=torch.float16)
    assert parameter_norm(half) == gradient_norm(half) == 500.0
    assert parameter_norm(Given([64.0, *[1.0] * 4096], dtype=torch.bfloat16)) == pytest.approx(math.sqrt(8192))
    both = (Given([value], dtype=torch.bfloat16) for value in (256.0, -1.0))
    assert ema_distance(*both) == 257.0  # 256 in bfloat16
    near = Given([1.0, 1.0], dtype=torch.float64)
    assert ema_distance(Given([1.0 + 2**-7, 1.0], dtype=torch.bfloat16), near) == pytest.approx(2**-7 / math.sqrt(2))
    assert ema_distance(near, Given([1.0 + 2**-7, 1.0], dtype=torch.bfloat16)) == pytest.approx(
        2**-7 / math.hypot(1, 1 + 2**-7)
    )


def test_non_finite_weights_show():
    assert parameter_norm(Given([math.inf, 1.0])) == math.inf
    assert math.isnan(parameter_norm(Given([math.nan, 1.0])))
    module = Given([1.0])
    module.groups[0].grad = torch.tensor([math.nan], dtype=torch.float64)
    assert math.isnan(gradient_norm(module))
    assert math.isnan(ema_distance(Given([math.nan]), module))
    assert ema_distance(Given([math.inf]), module) == math.inf


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_non_finite_values_are_counted(dtype):
    bad = torch.tensor([[math.nan, 1.0], [math.inf, -math.inf]], dtype=dtype)
    assert non_finite(bad, torch.zeros(3), bad[0].clone().requires_grad_()) == 4
    assert non_finite(torch.zeros(2), torch.arange(3)) == 0
    assert non_finite(torch.zeros(0), torch.tensor(math.nan)) == 1
    assert non_finite() == 0


def test_nothing_is_disturbed():
    G, state = network(), torch.random.get_rng_state()
    before = deepcopy(G.state_dict())
    with torch.inference_mode():
        parameter_norm(G), gradient_norm(G), ema_distance(network(1), G), non_finite(G[0].weight)
    assert all(torch.equal(value, before[key]) for key, value in G.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in G.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.is_grad_enabled()
