"""From a user's module to a critic: shapes, labels, buffers, coupled samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from known import Linear, normal, seeded, tensor
from steadygan.errors import InputError
from steadygan.models import mlp
from steadygan.types import Batch, Output, critic
from steadygan.types.critic import kept_buffers, probe_coupling
from steadygan.types.labels import label_parameter, needs_label, spans
from steadygan.types.output import as_output

X = tensor([[1, 2], [3, -1], [0, 0.5]])
LABEL = torch.tensor([1, 2, 3])


class TestShapes:
    @pytest.mark.parametrize("model", [
        lambda x: x.sum(1),
        lambda x: x.sum(1, keepdim=True),
        lambda x: x.sum(1).view(3, 1, 1, 1),
        lambda x: (x.sum(1), {}),
        lambda x: (x.sum(1, keepdim=True), {}),
        lambda x: Output(x.sum(1), {}),
    ], ids=["(n,)", "(n, 1)", "(n, 1, 1, 1)", "pair", "pair (n, 1)", "Output"])  # fmt: skip
    def test_one_logit_per_sample(self, model: Callable[[Tensor], Any]) -> None:
        logits, features, *_ = critic(model)(Batch(X))
        assert_close(logits, tensor([3, 2, 0.5]))
        assert features == {}

    def test_one_sample_keeps_its_axis(self) -> None:
        assert critic(nn.Linear(2, 1).double())(Batch(X[:1])).logits.shape == (1,)

    def test_features_pass(self) -> None:
        assert critic(lambda x: (x.sum(1), {"h": x}))(Batch(X)).features["h"] is X

    @pytest.mark.parametrize(("model", "said"), [
        (lambda x: x.T, r"\(3,\), \(3, 1\) or a map \(3, \.\.\.\).*returned \(2, 3\).*first axis"),
        (lambda x: x.sum(), r"returned \(\)"),
        (lambda x: x.sum(1)[:2], r"returned \(2,\)"),
        (lambda x: x.sum(1).view(1, 3), r"returned \(1, 3\)"),
        (lambda x: x[:, :0], r"returned \(3, 0\)"),
        (lambda x: x.sum(1).numpy(), "returned ndarray"),
        (lambda x: x.sum(1) > 0, r"returned torch\.bool"),
        (lambda x: (x.sum(1), x), r"a pair with Tensor: .*Output\(logits, {'classes'"),
        (lambda x: x.sum(1).tolist(), "returned float"),
        (lambda _: [], "returned an empty list"),
        (lambda x: [x, x[:2]], r"its head 1 returned \(2, 2\)"),
        (lambda _: None, "returned NoneType"),
        (lambda x: (x.sum(1), {}, 1), "returned tuple"),
        (lambda x: {"logits": x.sum(1).tolist()}, "returned list"),
    ])  # fmt: skip
    def test_anything_else_is_refused_in_one_line(self, model: Callable[[Tensor], Any], said: str) -> None:
        with pytest.raises(InputError, match=said) as caught:
            critic(model)(Batch(X))
        message = str(caught.value)
        assert "the discriminator must return" in message
        assert "\n" not in message

    def test_as_output_counts_samples(self) -> None:
        assert as_output(torch.zeros(4), 4).logits.shape == (4,)
        with pytest.raises(InputError, match=r"\(5,\), \(5, 1\)"):
            as_output(torch.zeros(4), 5)

    @pytest.mark.parametrize(
        ("kind", "left"),
        [
            (torch.bfloat16, torch.float32),
            (torch.float16, torch.float32),
            (torch.float32, torch.float32),
            (torch.float64, torch.float64),
        ],
    )
    def test_half_precision_does_not_leave_a_critic(self, kind: torch.dtype, left: torch.dtype) -> None:
        def model(x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            return x.sum(1), {"h": 2 * x, "index": torch.arange(3)}

        logits, features, *_ = critic(model)(Batch(X.to(kind)))
        assert (logits.dtype, features["h"].dtype, features["index"].dtype) == (left, left, torch.int64)
        assert_close(logits, tensor([3, 2, 0.5]).to(left))
        assert_close(features["h"], 2 * X.to(left))


class TestLabels:
    def test_a_module_with_a_label_parameter_is_given_them(self) -> None:
        class Conditional(nn.Module):
            def forward(self, x: Tensor, label: Tensor) -> Tensor:
                return x.sum(1) * label

        assert label_parameter(Conditional()) == "label"
        assert label_parameter(nn.DataParallel(Conditional())) == "label"  # as of DistributedDataParallel: passed on
        assert_close(critic(Conditional())(Batch(X, LABEL)).logits, tensor([3, 4, 1.5]))
        assert_close(critic(Conditional()).constant(Batch(X, LABEL)).logits, tensor([3, 4, 1.5]))

    def test_by_name_wherever_it_stands(self) -> None:
        def keyword_only(x: Tensor, *, label: Tensor) -> Tensor:
            return x.sum(1) * label

        def third(x: Tensor, scale: float = 1.0, label: Tensor | None = None) -> Tensor:
            assert label is not None
            return scale * x.sum(1) * label

        for model in (keyword_only, third):
            assert_close(critic(model)(Batch(X, LABEL)).logits, tensor([3, 4, 1.5]))

    def test_without_labels_the_parameter_is_none(self) -> None:
        def model(x: Tensor, label: Tensor | None = None) -> Tensor:
            return x.sum(1) if label is None else x.sum(1) * label

        assert_close(critic(model)(Batch(X)).logits, tensor([3, 2, 0.5]))

    def test_others_never_see_labels(self) -> None:
        assert label_parameter(mlp(2, 1)) is None
        assert label_parameter(partial(torch.sum, dim=1)) is None
        assert_close(critic(partial(torch.sum, dim=1))(Batch(X, LABEL)).logits, tensor([3, 2, 0.5]))

    def test_the_second_parameter_is_the_label_whatever_its_name(self) -> None:
        def optional(x: Tensor, y: Tensor | None = None) -> Tensor:
            return x.sum(1) if y is None else x.sum(1) * y

        def wanted(x: Tensor, class_labels: Tensor) -> Tensor:
            return x.sum(1) * class_labels

        assert (label_parameter(optional), label_parameter(wanted)) == ("y", "class_labels")
        assert (needs_label(optional), needs_label(wanted)) == (False, True)
        for model in (optional, wanted):
            assert_close(critic(model)(Batch(X, LABEL)).logits, tensor([3, 4, 1.5]))
        assert_close(critic(optional)(Batch(X)).logits, tensor([3, 2, 0.5]))

    def test_a_switch_or_a_factor_is_none(self) -> None:
        def switch(x: Tensor, features: bool) -> Tensor: ...
        def named(x: Tensor, mode: str | None = None) -> Tensor: ...
        def factor(x: Tensor, scale: Any = 1.0) -> Tensor: ...
        def behind(x: Tensor, *, y: Tensor) -> Tensor: ...

        assert [label_parameter(model) for model in (switch, named, factor, behind)] == [None] * 4

    def test_classes_in_words(self) -> None:
        assert spans(torch.tensor([3, 1, 2, 7, 1])) == "1 to 3, 7"
        assert spans(2 * torch.arange(20)) == "0, 2, 4, 6, 8, 10, 12, 14, ..."


class TestBuffers:
    def test_kept(self) -> None:
        model = nn.Sequential(nn.BatchNorm1d(2), nn.utils.parametrizations.spectral_norm(nn.Linear(2, 1))).double()
        before = [buffer.clone() for buffer in model.buffers()]
        with kept_buffers(model):
            model(X)
            assert any(not torch.equal(a, b) for a, b in zip(model.buffers(), before, strict=True))
        assert_close(list(model.buffers()), before, rtol=0, atol=0)

    def test_kept_after_an_error(self) -> None:
        def failing() -> None:
            with kept_buffers(model):
                model(X)
                raise ZeroDivisionError

        model = nn.BatchNorm1d(2).double()
        with pytest.raises(ZeroDivisionError):
            failing()
        assert model.num_batches_tracked == 0

    def test_a_function_has_none(self) -> None:
        with kept_buffers(torch.relu):
            pass
        assert critic(torch.relu).untracked is None
        assert critic(mlp(2, 1)).untracked is None
        assert critic(nn.BatchNorm1d(2)).untracked is not None


class MinibatchStd(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sum(1) + x.std()


def between(layer: Callable[[], nn.Module]) -> nn.Module:
    return seeded(1, lambda: nn.Sequential(nn.Linear(2, 8), layer(), nn.Linear(8, 1)))


class TestCoupling:
    @pytest.mark.parametrize("model", [
        between(lambda: nn.BatchNorm1d(8)), MinibatchStd(), lambda v: (v.sum(1) - v.mean(), {}),
    ], ids=["batch norm", "minibatch std", "pair"])  # fmt: skip
    @pytest.mark.parametrize("n", [2, 8])
    def test_what_couples_samples(self, model: Callable[[Tensor], Any], n: int) -> None:
        assert probe_coupling(model, normal(0, n, 2))

    @pytest.mark.parametrize("model", [
        seeded(1, lambda: mlp(2, 1)), between(lambda: nn.BatchNorm1d(8)).eval(), between(nn.Dropout),
        between(lambda: nn.LayerNorm(8)), Linear([1.0, 2.0]),
    ], ids=["mlp", "batch norm in eval", "dropout", "layer norm", "function of one"])  # fmt: skip
    @pytest.mark.parametrize("n", [2, 8])
    def test_what_does_not(self, model: Callable[[Tensor], Any], n: int) -> None:
        assert not probe_coupling(model, normal(0, n, 2))

    def test_leaves_no_trace(self) -> None:
        """Neither in the module's buffers, nor in torch's generator, nor in the samples."""
        x = normal(0, 8, 2)
        model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 1)).double()
        buffers, state, samples = [b.clone() for b in model.buffers()], torch.get_rng_state(), x.clone()
        probe_coupling(model, x)
        assert_close(list(model.buffers()), buffers, rtol=0, atol=0)
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.equal(x, samples)
        assert model.training


def test_a_critic_passes_through() -> None:
    once = critic(Linear([1.0, 2.0]), couples_samples=True)
    assert once.couples_samples
    assert critic(once) is once


class TestCouplingByDefault:
    def test_is_taken_from_the_module(self):
        normed = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        assert critic(normed).couples_samples
        assert not critic(normed.eval()).couples_samples
        assert not critic(nn.Linear(2, 1)).couples_samples

    def test_what_the_module_or_the_caller_says_counts(self):
        says = nn.Linear(2, 1)
        says.couples_samples = True
        assert critic(says).couples_samples
        assert not critic(says, couples_samples=False).couples_samples
        assert not critic(critic(says), couples_samples=False).couples_samples
