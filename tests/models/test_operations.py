"""Operations: counted as torch counts them, forward and backward, by every network of the process."""

import copy

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch.utils.flop_counter import FlopCounterMode

import ood_helpers as ood
from ood_helpers.baselines.vanilla import fine_tune
from ood_helpers.models.loading import freeze
from ood_helpers.models.operations import (
    evaluation_operations,
    gradient_operations,
    measured_operations,
    operations,
    paid,
    spend,
)

QUIET = {"precision": "float32", "progress": False}


@pytest.fixture
def model():
    """Without attention, of which torch's counter does not know every kernel."""
    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",), "add_attention": False}
    network = UNet2DModel(sample_size=8, layers_per_block=1, block_out_channels=(8,), norm_num_groups=4, **blocks)
    return freeze(network, DDPMScheduler(), "tiny")


def spent(call):
    before = operations()
    call()
    return operations() - before


def by_torch(call):
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def test_a_convolution_costs_two_operations_for_each_product():
    network = torch.nn.Conv2d(3, 5, 3, padding=1)
    assert evaluation_operations(network, torch.zeros(1, 3, 8, 8)) == 2 * 3 * 5 * 9 * 64
    assert evaluation_operations(network.half(), torch.zeros(4, 3, 8, 8).half()) == 4 * 2 * 3 * 5 * 9 * 64


def test_an_evaluation_costs_what_torch_counts_and_a_batch_so_many(model):
    x, t = torch.zeros(3, *model.image_shape), torch.zeros(3)
    assert model.operations > 0
    assert spent(lambda: model.predict(x, t)) == 3 * model.operations
    assert by_torch(lambda: model.predictor.network(x, t)) == 3 * model.operations


def test_a_walk_costs_its_evaluations(model):
    images = torch.zeros(2, *model.image_shape)
    counted = ood.CountedModel(model)
    cost = spent(lambda: ood.invert(counted, images, steps=5, solver="dpm2m", **QUIET))
    assert cost == counted.evaluations * model.operations == 2 * 6 * model.operations


def test_a_closed_form_costs_nothing():
    exact = ood.gaussian_model(torch.zeros(3, 4, 4), torch.ones(3, 4, 4))
    assert exact.operations == 0
    assert spent(lambda: ood.invert(exact, torch.zeros(2, 3, 4, 4), steps=5, progress=False)) == 0


def test_tuning_costs_forward_and_backward_passes(model):
    """A gradient in all weights and activations is twice the forward pass, but for the first layer's input."""
    images = torch.rand(4, *model.image_shape) * 2 - 1
    tuned = fine_tune(model, images, batch_size=4, steps=3, **QUIET)
    forward = 3 * 4 * model.operations
    assert 2.8 * forward < tuned.operations < 3 * forward
    assert spent(lambda: fine_tune(model, images, batch_size=4, steps=3, **QUIET)) == tuned.operations


def test_the_gradients_of_a_step_are_counted_without_a_step(model):
    x, t = torch.zeros(4, *model.image_shape), torch.zeros(4)
    network = copy.deepcopy(model.predictor.network).requires_grad_(True)
    before = [p.clone() for p in network.parameters()]
    assert gradient_operations(network, x, t) == by_torch(lambda: network(x, t).sample.sum().backward())
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), before, strict=True))


def test_a_design_is_counted_once_and_another_batch_anew(model, monkeypatch):
    network, x, t = model.predictor.network, torch.zeros(3, *model.image_shape), torch.zeros(3)
    known = evaluation_operations(network, x, t)
    monkeypatch.setattr("ood_helpers.models.operations.FlopCounterMode", None)
    assert evaluation_operations(copy.deepcopy(network), x, t) == known == 3 * model.operations
    with pytest.raises(TypeError, match="not callable"):
        evaluation_operations(network, x[:2], t[:2])


def test_what_is_measured_or_paid_counts_once(model):
    x, t = torch.zeros(2, *model.image_shape), torch.zeros(2)
    with measured_operations() as cost:
        model.predict(x, t)
    assert cost.total == 2 * model.operations

    def pay():
        with paid(7.0):
            model.predict(x, t)
        spend(1.0)

    assert spent(pay) == 8.0


def test_a_scorer_costs_too():
    scorer = ood.load_scorer()
    images = torch.zeros(3, 3, 64, 64)
    assert spent(lambda: scorer.probabilities(images)) == by_torch(lambda: scorer.body(images)) > 0
