"""DiffusionCLIP: the direction loss falls, gradients run through the whole walk, the given model stays."""

import copy
from itertools import pairwise

import pytest
import torch

import ood_helpers as ood
from ood_helpers.baselines.diffusionclip import diffusion_clip, translate
from ood_helpers.baselines.embedding import SHIPPED, direction_loss, image_direction, scorer_embedding
from ood_helpers.evaluation.distances import features_of
from ood_helpers.evaluation.scorer import DOMAIN_SCORER as JUDGE
from ood_helpers.models.frozen import fingerprint

QUIET = {"precision": "float32", "progress": False}
SHORT = {"t": 300, "inversion_steps": 6, "train_steps": 3, **QUIET}


def test_the_loss_falls_and_the_images_move_along_the_direction(model, domains, embed):
    sources, targets = domains
    before = fingerprint(model)
    embed.requires_grad_(False)
    tuned = diffusion_clip(
        model, sources, targets, embed=embed, learning_rate=1e-3, gamma=1.0, batch_size=4, steps=30, **SHORT
    )
    assert sum(tuned.losses[-5:]) < 0.7 * sum(tuned.losses[:5])
    assert fingerprint(model) == before != fingerprint(tuned.model)
    direction = image_direction(embed, sources, targets)
    walk = {"t": 300, "steps": 6, **QUIET}
    moved = direction_loss(embed, translate(model, tuned.model, sources, **walk), sources, direction).mean()
    stayed = direction_loss(embed, translate(model, model, sources, **walk), sources, direction).mean()
    assert moved < stayed - 0.1


def test_its_first_loss_is_that_of_the_walk_by_hand(model, domains, embed):
    """An independent walk: DDIM's update in x, with diffusers' way of writing it, through 3 steps."""
    sources, targets = domains
    direction = image_direction(embed, sources, targets)
    tuned = diffusion_clip(
        model, sources, direction=direction, embed=embed, steps=1, batch_size=2, l1_weight=0.5, **SHORT
    )
    x = ood.invert(model, sources[:2], t=300, steps=6, **QUIET)
    stops = [300, 200, 99, -1]  # the uniform grid of three steps
    for here, there in pairwise(stops):
        a, b = model.alphas_cumprod[here], model.alphas_cumprod[there] if there >= 0 else torch.tensor(1.0)
        eps = model.eps(x, here)
        x = b.sqrt() * (x - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps
        x = x.float()
    lead = direction_loss(embed, x, sources[:2], direction)
    expected = 3 * -(1 - lead / 2).log().mean() + 0.5 * (x - sources[:2]).abs().mean()
    assert tuned.losses[0] == pytest.approx(float(expected), rel=1e-4)


def test_gradients_run_through_the_whole_walk(model, domains, embed):
    """The first Adam step moves each weight by the rate against the sign of its gradient: that of a walk by hand."""
    sources, targets = domains
    direction = image_direction(embed, sources, targets)
    tuned = diffusion_clip(model, sources, direction=direction, embed=embed, steps=1, learning_rate=1e-3, **SHORT)
    network = copy.deepcopy(model.predictor.network).requires_grad_(True)
    table, x = model.alphas_cumprod, ood.invert(model, sources[:1], t=300, steps=6, **QUIET)
    for here, there in pairwise([300, 200, 99, -1]):
        a, b = table[here].float(), table[there].float() if there >= 0 else torch.tensor(1.0)
        eps = network(x, torch.tensor([float(here)])).sample
        x = b.sqrt() * (x - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps
    (-(1 - direction_loss(embed, x, sources[:1], direction) / 2).log()).sum().backward()
    names = ("conv_in.weight", "mid_block.resnets.0.conv1.weight", "conv_out.weight")
    for name in names:
        gradient = network.get_parameter(name).grad
        moved = tuned.model.predictor.network.get_parameter(name) - model.predictor.network.get_parameter(name)
        large = gradient.abs() > gradient.abs().max() / 100
        assert large.float().mean() > 0.1
        assert (moved.sign() == -gradient.sign())[large].float().mean() > 0.999


def test_the_rate_grows_after_each_pass(model, domains, embed):
    """Adam's first steps are as long as its rate: with gamma the later ones are longer."""
    sources, targets = domains
    common = {"embed": embed, "learning_rate": 1e-5, "batch_size": 12, "steps": 3, **SHORT}
    slow = diffusion_clip(model, sources, targets, gamma=1.0, **common)
    fast = diffusion_clip(model, sources, targets, gamma=3.0, **common)

    def moved(tuned):
        pairs = zip(tuned.model.predictor.network.parameters(), model.predictor.network.parameters(), strict=True)
        return sum(float((a - b).abs().sum()) for a, b in pairs)

    assert moved(fast) > 2 * moved(slow)


def test_the_tuned_model_reloads(model, domains, embed, tmp_path):
    tuned = diffusion_clip(model, *domains, embed=embed, learning_rate=1e-4, steps=1, **SHORT)
    ood.save_model(tuned.model, tmp_path)
    assert fingerprint(ood.load_model(tmp_path)) == fingerprint(tuned.model)


def test_another_scorer_than_the_judge_is_the_default_embedding(model, domains):
    theirs = features_of(domains[0])  # of the judge
    assert SHIPPED != JUDGE and scorer_embedding()(domains[0]).shape[1] != theirs.shape[1]
    assert len(diffusion_clip(model, *domains, steps=2, **SHORT).losses) == 2


def test_learned_variances_are_no_part_of_the_walk(model_with_variances, domains, embed):
    tuned = diffusion_clip(model_with_variances, *domains, embed=embed, learning_rate=1e-3, steps=1, **SHORT)
    ours, base = (m.predictor.network.conv_out.weight for m in (tuned.model, model_with_variances))
    assert torch.equal(ours[3:], base[3:]) and not torch.equal(ours[:3], base[:3])


def test_bad_input_is_named(model, domains, embed):
    sources, targets = domains
    with pytest.raises(ValueError, match="targets, direction: got both or neither"):
        diffusion_clip(model, sources, steps=1)
    with pytest.raises(ValueError, match="targets: got images of shape"):
        diffusion_clip(model, sources, targets[..., :8], steps=1)
    with pytest.raises(ValueError, match="steps, operations: got neither"):
        diffusion_clip(model, sources, targets)
    with pytest.raises(TypeError, match="has no network"):
        diffusion_clip(ood.gaussian_model(0.0, 1.0, image_shape=(3, 16, 16)), sources, targets, steps=1)
