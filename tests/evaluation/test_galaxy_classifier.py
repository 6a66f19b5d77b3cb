"""The shipped galaxy classifier: accurate for each kind, sees mirrors, calibrated, undecided without a galaxy."""

import numpy as np
import pytest
import torch

import ood_helpers as ood
from ood_helpers.domains.skies import GALAXY_KINDS
from ood_helpers.evaluation.scorer import GALAXIES, load_scorer

HELD_OUT, N = 77, 360  # a seed of which no picture was used in training


@pytest.fixture(scope="module")
def galaxies():
    """Images, and the number of each one's kind."""
    return ood.load_domain("galaxy", N, 64, HELD_OUT), ood.domain_parameters("galaxy", N, HELD_OUT)["kind"]


@pytest.fixture(scope="module")
def classifier():
    return load_scorer(GALAXIES)


def called(classifier, images):
    return classifier.probabilities(images).argmax(1).numpy()


def sure(classifier, images):
    """Share of the images of which one class has a probability of at least 0.9."""
    return float((classifier.probabilities(images).amax(1) >= 0.9).float().mean())


def entropy(odds):
    """Mean entropy of probabilities, from 0, all certain, to 1, all undecided."""
    return float(torch.special.entr(odds.double()).sum(1).mean()) / np.log(odds.shape[1])


def test_it_knows_the_six_kinds_and_weighs_little(classifier):
    assert classifier.domains == GALAXY_KINDS
    assert sum(file.stat().st_size for file in GALAXIES.iterdir()) < 1e6


def test_it_is_right_on_held_out_galaxies_of_each_kind(classifier, galaxies):
    images, kind = galaxies
    right = called(classifier, images) == kind
    assert right.mean() >= 0.98
    assert all(right[kind == k].mean() >= 0.95 for k in range(6))
    assert min(classifier.record["held_out"]["accuracy_by_class"].values()) >= 0.98


def test_in_a_mirror_a_spiral_winds_the_other_way_and_others_stay_what_they_are(classifier, galaxies):
    images, kind = galaxies
    other = np.array([0, 2, 1, 3, 4, 5])[kind]
    for axis in (-1, -2):
        assert (called(classifier, images.flip(axis)) == other)[kind != 5].mean() >= 0.97
    assert (called(classifier, images.rot90(1, (2, 3))) == kind)[kind != 5].mean() >= 0.97


def test_its_probabilities_are_calibrated(classifier, galaxies):
    assert classifier.record["held_out"]["calibration_error"] < 0.02
    images, kind = galaxies
    confidence, guess = classifier.probabilities(images).max(1)
    certain = (confidence >= 0.9).numpy()
    assert (guess.numpy() == kind)[certain].mean() >= 0.97 and certain.mean() >= 0.9


def test_real_galaxies_are_recognized_and_every_kind_has_its_share(classifier, galaxies):
    images, kind = galaxies
    odds = classifier.probabilities(images)
    assert sure(classifier, images) >= 0.9 and entropy(odds) < 0.1
    np.testing.assert_allclose(odds.mean(0), np.bincount(kind, minlength=6) / N, atol=0.03)


@pytest.mark.parametrize(
    "images",
    [
        torch.randn(60, 3, 64, 64, generator=torch.Generator().manual_seed(0)).clamp(-1, 1),
        0.3 * torch.randn(60, 3, 64, 64, generator=torch.Generator().manual_seed(0)).clamp(-1, 1) - 0.6,
        torch.linspace(-1, 1, 60)[:, None, None, None].expand(-1, 3, 64, 64),
    ],
    ids=["noise", "faint noise", "plain"],
)
def test_without_a_galaxy_it_is_undecided(classifier, images):
    assert sure(classifier, images) <= 0.1 and entropy(classifier.probabilities(images)) >= 0.6


@pytest.mark.parametrize(
    "change",
    [
        lambda x: (x + 1) / 4 - 1,
        lambda x: 0.3 * x,
        lambda x: x.mean(1, keepdim=True).expand(-1, 3, -1, -1),
        lambda x: x.flip(1),
        lambda x: (x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1),
    ],
    ids=["darker", "paler", "gray", "other colors", "noise"],
)
def test_it_overlooks_what_leaves_the_shape(classifier, galaxies, change):
    images, kind = galaxies
    assert (called(classifier, change(images)) == kind).mean() >= 0.97


def test_a_dog_that_shines_through_makes_it_less_sure(classifier, galaxies):
    dogs = ood.load_domain("dog", 60, 64, HELD_OUT)
    rates = [sure(classifier, torch.lerp(galaxies[0][:60], dogs, share)) for share in (0.0, 0.35, 0.7)]
    assert rates[0] >= 0.95 and rates[1] <= 0.6 and rates[2] <= 0.1


@pytest.mark.parametrize("name", ["dog", "cat", "face", "church", "bedroom", "sketch", "radiation"])
def test_other_domains_are_not_galaxies(classifier, name):
    assert sure(classifier, ood.load_domain(name, 40, 64, HELD_OUT)) <= 0.1
