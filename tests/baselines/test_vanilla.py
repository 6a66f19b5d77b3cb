"""Vanilla tuning: the loss falls, the model that was given stays, the result reloads and generates other images."""

import pytest
import torch
from diffusers import DDPMPipeline
from torch.utils._python_dispatch import TorchDispatchMode

import ood_helpers as ood
from ood_helpers.baselines.tuning import descend
from ood_helpers.baselines.vanilla import batch_at, fine_tune
from ood_helpers.models.frozen import fingerprint

QUIET = {"precision": "float32", "progress": False}


def test_the_loss_falls_and_the_given_model_stays_as_it_is(model, domains):
    before = fingerprint(model)
    tuned = fine_tune(model, domains[1], learning_rate=3e-3, batch_size=8, steps=60, **QUIET)
    assert sum(tuned.losses[-10:]) < 0.6 * sum(tuned.losses[:10])
    assert fingerprint(model) == before != fingerprint(tuned.model)
    assert not any(p.requires_grad or p.grad is not None for p in model.predictor.network.parameters())
    assert len(tuned.losses) == 60


def test_what_it_generates_comes_nearer_to_the_new_domain(model, domains):
    """The targets' upper half is darker than the lower by 0.9; an untrained network's samples have no such edge."""

    def edge(model):
        walk = {"t": 400, "steps": 10, "eta": 0.0, "generator": torch.Generator().manual_seed(0), **QUIET}
        x = ood.fresh_images(model, 8, colors=domains[1][:8].mean((2, 3)), **walk)
        return float((x[:, :, 8:] - x[:, :, :8]).mean())

    tuned = fine_tune(model, domains[1], learning_rate=3e-3, batch_size=8, steps=250, **QUIET)
    assert edge(tuned.model) > 0.45 > 0.2 > abs(edge(model))


def test_the_learned_variances_train_by_the_hybrid_loss_and_not_by_the_simple_one(model_with_variances, domains):
    """The last layer's second half of channels makes the variances: released code leaves it untrained."""
    base = model_with_variances.predictor.network.conv_out.weight
    for loss, moves in (("simple", False), ("hybrid", True), ("vlb", True)):
        tuned = fine_tune(model_with_variances, domains[1], loss=loss, learning_rate=1e-3, steps=3, **QUIET)
        weight = tuned.model.predictor.network.conv_out.weight
        assert not torch.equal(weight[:3], base[:3])
        assert torch.equal(weight[3:], base[3:]) is not moves


def test_the_bound_falls_where_it_is_what_is_trained(model, domains):
    tuned = fine_tune(model, domains[1], loss="vlb", learning_rate=1e-3, batch_size=16, steps=80, **QUIET)
    first, last = sorted(tuned.losses[:20]), sorted(tuned.losses[-20:])
    assert last[10] < 0.7 * first[10]  # medians: a single term of the bound may be huge


def test_the_same_seed_gives_the_same_weights(model, domains):
    first, again, other = (
        fine_tune(model, domains[1], steps=3, seed=seed, learning_rate=1e-3, **QUIET) for seed in (0, 0, 1)
    )
    assert fingerprint(first.model) == fingerprint(again.model) != fingerprint(other.model)


def test_timesteps_come_in_antithetic_pairs():
    images = torch.zeros(5, 3, 4, 4)
    for size in (1, 4, 5):
        _, eps, t = batch_at(7, images, 1000, size, seed=0)
        half = (size + 1) // 2
        assert len(t) == len(eps) == size and bool((t[half:] + t[: size - half] == 999).all())


def test_the_tuned_model_reloads_by_us_and_by_diffusers(model, domains, tmp_path):
    tuned = fine_tune(model, domains[1], steps=2, learning_rate=1e-3, **QUIET)
    ood.save_model(tuned.model, tmp_path)
    again = ood.load_model(tmp_path)
    assert fingerprint(again) == fingerprint(tuned.model)
    pipeline = DDPMPipeline.from_pretrained(tmp_path)
    x, t = torch.randn(2, 3, 16, 16), torch.tensor([5, 500])
    with torch.no_grad():
        torch.testing.assert_close(pipeline.unet(x, t).sample, again.eps(x, t), atol=1e-6, rtol=0)


def test_a_watcher_sees_the_model_at_the_start_and_on_the_way(model, domains):
    seen = []
    fine_tune(
        model,
        domains[1],
        steps=4,
        learning_rate=1e-3,
        watch=lambda done, now: seen.append((done, fingerprint(now))),
        watch_every=2,
        **QUIET,
    )
    assert [done for done, _ in seen] == [0, 2, 4]
    assert seen[0][1] == fingerprint(model) and len({code for _, code in seen}) == 3


def test_the_budget_in_operations_ends_the_descent(model, domains):
    tuned = fine_tune(model, domains[1], operations=1.0, **QUIET)
    assert len(tuned.losses) == 1  # the step that exceeds the budget is finished


@pytest.mark.parametrize("count", [1, 40])
def test_a_step_waits_for_the_device_as_often_whatever_the_number_of_weights(count):
    """What asks a device for a number is `_local_scalar_dense`; the one that `descend` needs comes by a copy."""

    class Asked(TorchDispatchMode):
        number = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.number += func is torch.ops.aten._local_scalar_dense.default
            return func(*args, **(kwargs or {}))

    weights = [torch.nn.Parameter(torch.ones(3)) for _ in range(count)]
    optimizer = torch.optim.SGD(weights, lr=0.1)
    with Asked() as asked:
        losses, _ = descend("any", optimizer, lambda _: sum(w.square().sum() for w in weights), 5, None, False)
    assert len(losses) == 5 and losses[-1] < losses[0] and asked.number == 0


def test_a_last_step_that_leads_to_infinity_is_an_error_too():
    weight = torch.nn.Parameter(torch.ones(3))
    with pytest.raises(FloatingPointError, match="any: step 1 gave NaN or infinity"):
        descend("any", torch.optim.SGD([weight], lr=1e30), lambda _: 1e10 * weight.sum(), 1, None, False)


def test_bad_input_is_named(model, model_with_variances, domains):
    images = domains[1]
    with pytest.raises(ValueError, match="steps, operations: got neither"):
        fine_tune(model, images)
    with pytest.raises(ValueError, match="loss: got 'hybrid' for 'tiny' without learned variances"):
        fine_tune(model, images, loss="hybrid", steps=1, **QUIET)
    with pytest.raises(ValueError, match="loss: got 'l1', expected one of simple, vlb, hybrid"):
        fine_tune(model, images, loss="l1", steps=1)
    with pytest.raises(ValueError, match=r"images: got values from .* expected images in \[-1, 1\]"):
        fine_tune(model, images * 3, steps=1)
    with pytest.raises(ValueError, match="learning_rate: got 0"):
        fine_tune(model, images, learning_rate=0, steps=1)
    with pytest.raises(TypeError, match="has no network to tune"):
        fine_tune(ood.gaussian_model(0.0, 1.0, image_shape=(3, 16, 16)), images, steps=1)
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        fine_tune(model, images, learning_rate=1e30, steps=30, **QUIET)
