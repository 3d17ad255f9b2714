"""The random numbers of a run: one stream, in blocks, the same wherever a run was cut."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import steadygan as sg
from known import F64, generator
from steadygan.engine.draws import Draws
from steadygan.engine.needs import BLOCK, Needs, shown_shape
from steadygan.engine.objective import Sides
from steadygan.latents import normal_latent
from steadygan.types import Draw, Method, Opponent
from tiny import N, assert_same, differs, points, small_d

SIDES = Sides(N, N)
HINGE = sg.losses.Hinge()
FAR = sg.methods.FakeAsReal(3, factor=4)


class Shared(Method):
    name = "shared"
    shares_batch = True


class Noisy(Method):
    """Wants one uniform and one normal draw per D step, of the shapes it is told."""

    name = "noisy"

    def noise(self, real, fake, shape):
        return {"u": Draw((real, *shape)), "v": Draw((fake,), "normal")}


def needs(*opponents: Opponent, d_steps: int = 1, shape: tuple[int, ...] = (2,)) -> Needs:
    return Needs.of({f"d{index}": o for index, o in enumerate(opponents)}, SIDES, shape, d_steps)


def draws(wanted: Needs, seed: int = 5, data=None, prior=None) -> Draws:
    source = sg.data.DATA["ring8"]() if data is None else sg.data.from_user(data)
    return Draws(wanted, source.stream(11), normal_latent(3, torch.float32), generator(seed), prior)


def test_needs_of_a_plain_gan():
    wanted = needs(Opponent(small_d(), HINGE), d_steps=2)
    assert (wanted.real_d, wanted.fake_d, wanted.real_g, wanted.fake_g, wanted.d_steps) == (N, N, 0, N, 2)


def test_needs_of_the_most_demanding_opponent():
    packed = Opponent(small_d(4), HINGE, method=sg.methods.Packing(2))
    relativistic = Opponent(small_d(), sg.losses.RelativisticPairing(), method=FAR)
    wanted = needs(packed, relativistic)
    assert (wanted.real_d, wanted.fake_d) == (2 * N, max(2 * N, N + 12))
    assert (wanted.real_g, wanted.fake_g) == (2 * N, 2 * N)


def test_packing_and_fake_as_real_count_presented_samples():
    wanted = needs(Opponent(small_d(4), HINGE, method=sg.methods.chain(sg.methods.Packing(2), FAR)))
    assert (wanted.real_d, wanted.fake_d, wanted.fake_g) == (2 * (N - 3), 2 * (N + 12), 2 * N)


def test_noise_is_asked_for_the_shape_that_the_critic_is_shown():
    packed = Opponent(
        small_d(4), HINGE, penalties=(sg.penalties.dragan(),), method=sg.methods.chain(sg.methods.Packing(2), Noisy())
    )
    assert shown_shape(packed, (2,)) == (4,)
    wanted = needs(packed)
    assert wanted.noise_d["d0"]["penalty/dragan"] == {"u": Draw((N, 4))}
    assert wanted.noise_g["d0"].keys() == {"method"}  # a G step has no penalties


def by_hand(seed: int, d_steps: int, sampler) -> list[Tensor]:
    """The first block of an unlimited source drawn in the documented order: z of D, z of G, noise by name, reals."""
    g, steps = generator(seed), BLOCK * d_steps
    z_d = torch.randn(steps * N, 3, generator=g).view(steps, N, 3)
    z_g = torch.randn(BLOCK * N, 3, generator=g).view(BLOCK, N, 3)
    u = torch.rand(steps, N, 2, generator=g)
    v = torch.randn(steps, N, generator=g)
    u_g, v_g = torch.rand(BLOCK, N, 2, generator=g), torch.randn(BLOCK, N, generator=g)
    real = sampler(steps * N, g).view(steps, N, 2)
    return [z_d, z_g, u, v, u_g, v_g, real]


@pytest.mark.parametrize("d_steps", [1, 3])
def test_a_block_is_drawn_in_the_documented_order(d_steps):
    wanted = needs(Opponent(small_d(), HINGE, method=Noisy()), d_steps=d_steps)
    z_d, z_g, u, v, u_g, v_g, real = by_hand(5, d_steps, sg.data.DATA["ring8"]().sampler)
    block = draws(wanted).block(0)
    assert len(block) == BLOCK
    for i, iteration in enumerate(block):
        assert iteration.number.dtype == torch.int64
        assert int(iteration.number) == i
        assert len(iteration.d) == d_steps
        for j, step in enumerate(iteration.d, start=i * d_steps):
            assert torch.equal(step.z, z_d[j])
            assert torch.equal(step.real.x, real[j])
            assert_same(step.noise, {"d0": {"method": {"u": u[j], "v": v[j]}}})
        assert torch.equal(iteration.g.z, z_g[i])
        assert iteration.g.real is None
        assert_same(iteration.g.noise, {"d0": {"method": {"u": u_g[i], "v": v_g[i]}}})


def test_finite_data_comes_in_the_samplers_order_and_needs_no_random_numbers():
    data = points(23)
    wanted = needs(Opponent(small_d(), sg.losses.RelativisticPairing()), d_steps=2)
    drawn = draws(wanted, data=data)
    sampler = sg.data.InfiniteSampler(23, 11)
    per_block = BLOCK * 3 * N
    for number in (0, 1):
        block = drawn.block(number)
        order = torch.cat([step.real.x for it in block for step in it.d] + [it.g.real.x for it in block])
        assert torch.equal(order, data[sampler.indices(number * per_block, per_block)])
    plain = needs(Opponent(small_d(), HINGE), d_steps=2)
    finite, unlimited = draws(plain, data=data), draws(plain)
    assert torch.equal(finite.block(0)[7].g.z, unlimited.block(0)[7].g.z)


def test_labels_travel_with_finite_data():
    x, label = points(23), torch.arange(23)
    data = torch.utils.data.TensorDataset(x, label)
    drawn = draws(needs(Opponent(small_d(), HINGE)), data=data, prior=label)
    step = drawn.block(0)[3].d[0]
    assert torch.equal(x[step.real.label], step.real.x)
    assert step.asked.shape == (N,)  # the fakes' ones
    assert draws(needs(Opponent(small_d(), HINGE)), data=data).block(0)[3].d[0].real.label is None


def test_labels_of_fakes_do_not_move_the_other_numbers():
    wanted = needs(Opponent(small_d(), HINGE, method=Noisy()))
    plain, told = (
        draws(wanted, data=points(23)).block(0),
        draws(wanted, data=points(23), prior=torch.arange(3)).block(0),
    )
    assert torch.equal(plain[99].g.z, told[99].g.z)
    assert torch.equal(plain[99].d[0].noise["d0"]["method"]["u"], told[99].d[0].noise["d0"]["method"]["u"])


def test_a_shared_batch_is_the_last_d_steps():
    began = Opponent(small_d(), sg.losses.RelativisticPairing(), method=Shared())
    block = draws(needs(began, d_steps=2)).block(0)
    for iteration in (block[i] for i in range(5)):
        assert torch.equal(iteration.g.z, iteration.d[-1].z)
        assert torch.equal(iteration.g.real.x, iteration.d[-1].real.x)


def test_a_shared_batch_beside_candidates_is_what_the_g_step_needs():
    method = sg.methods.chain(Shared(), FAR)
    drawn = draws(needs(Opponent(small_d(), HINGE, method=method)))
    iteration = drawn.block(0)[0]
    assert iteration.d[0].z.shape[0] == N + 12
    assert torch.equal(iteration.g.z, iteration.d[0].z[:N])


def test_blocks_follow_one_another_and_stay_while_they_are_current():
    wanted = needs(Opponent(small_d(), HINGE, penalties=(sg.penalties.zero_gp(),)))
    drawn = draws(wanted)
    first = drawn.block(0)
    assert drawn.block(0) is first
    second = drawn.block(1)
    assert differs(first[0].g.z, second[0].g.z)
    assert int(second[0].number) == BLOCK


def test_restoring_a_blocks_beginning_draws_it_again():
    wanted = needs(Opponent(small_d(), HINGE, penalties=(sg.penalties.zero_gp(),)), d_steps=2)
    drawn = draws(wanted)
    drawn.block(0)
    second, start = drawn.block(1), drawn.start
    third = drawn.block(2)
    other = draws(wanted, seed=99)
    other.restore(start)
    start.zero_()  # what was restored must not hang on the caller's tensor
    assert_same([*other.block(1)], [*second])
    assert_same([*other.block(2)], [*third])


def test_draws_follow_the_latents_dtype():
    source = sg.data.DATA["ring8"]().to("cpu", F64)
    wanted = needs(Opponent(small_d(), HINGE, penalties=(sg.penalties.zero_gp(),)))
    iteration = Draws(wanted, source.stream(1), normal_latent(3, F64), generator(0)).block(0)[0]
    assert {leaf.dtype for leaf in (iteration.d[0].z, iteration.d[0].real.x, iteration.g.z)} == {F64}
    assert iteration.d[0].noise["d0"]["penalty/zero_gp"]["mix"].dtype == F64
