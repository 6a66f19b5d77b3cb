"""Directions between domains: unit length, the right sign, gradients that reach the images and nothing else."""

import json
import sys

import pytest
import torch

from ood_helpers import load_scorer
from ood_helpers.baselines.embedding import (
    SHIPPED,
    ClipEmbedding,
    direction_loss,
    image_direction,
    scorer_embedding,
    unit,
)


def test_the_loss_is_0_along_the_direction_and_2_against_it(embed):
    """With an embedding that is the identity on the circle, the ways are known."""

    def circle(images):
        return images[:, :2, 0, 0]

    sources = torch.zeros(2, 3, 1, 1)
    sources[:, 0] = 1.0  # at (1, 0)
    images = torch.zeros(2, 3, 1, 1)
    images[0, 1], images[1, 1] = 1.0, -1.0  # at (0, 1) and (0, -1)
    direction = unit(torch.tensor([-1.0, 1.0]))
    loss = direction_loss(circle, images, sources, direction)
    torch.testing.assert_close(loss, torch.tensor([0.0, 1.0]), atol=1e-6, rtol=0)
    assert direction_loss(circle, images, sources, -direction)[0] == pytest.approx(2, abs=1e-6)


def test_the_direction_of_images_is_the_difference_of_their_means(embed, domains):
    sources, targets = domains
    found = image_direction(embed, sources, targets)
    wanted = unit(embed(targets)).mean(0) - unit(embed(sources)).mean(0)
    torch.testing.assert_close(found, wanted / wanted.norm())
    torch.testing.assert_close(image_direction(embed, targets, sources), -found)
    with pytest.raises(ValueError, match="targets: their mean embedding is that of the sources"):
        image_direction(embed, sources, sources)


def test_gradients_reach_the_images_and_nothing_else(domains):
    sources, targets = domains
    embed = scorer_embedding()
    x, source = sources.clone().requires_grad_(), sources.clone().requires_grad_()
    direction_loss(embed, x + 0.1, source, image_direction(embed, sources, targets)).sum().backward()
    assert x.grad.abs().sum() > 0 and source.grad is None
    (scorer,) = (cell.cell_contents for cell in embed.__closure__ if isinstance(cell.cell_contents, torch.nn.Module))
    assert all(p.grad is None for p in scorer.parameters())


def test_an_embedding_moves_no_scorer_but_its_own():
    before, embed = load_scorer(SHIPPED), scorer_embedding(device="meta")
    assert embed(torch.zeros(1, 3, 64, 64)).device.type == "meta"
    assert {scorer.head.weight.device.type for scorer in (before, load_scorer(SHIPPED))} == {"cpu"}


WORDS = ("a", "dog", "photo", "of", "church")
ENDS = ("<|startoftext|>", "<|endoftext|>")


@pytest.fixture
def tiny_clip(tmp_path):
    """A CLIP of random weights, as transformers saves one, with a vocabulary of single letters and five words."""
    transformers = pytest.importorskip("transformers")
    letters = sorted(set("adogphtfcrue"))
    pieces, merges = [*letters, *(letter + "</w>" for letter in letters)], []
    for word in WORDS:
        first, *rest = [*word[:-1], word[-1] + "</w>"]
        for letter in rest:
            merges.append(f"{first} {letter}")
            first += letter
            pieces.append(first)
    tokens = {token: k for k, token in enumerate(dict.fromkeys([*pieces, *ENDS]))}
    (tmp_path / "vocab.json").write_text(json.dumps(tokens))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(dict.fromkeys(merges)) + "\n")
    transformers.CLIPTokenizer.from_pretrained(tmp_path).save_pretrained(tmp_path)
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": tokens[ENDS[0]], "eos_token_id": tokens[ENDS[1]]}
    config = transformers.CLIPConfig(
        text_config={**small, "vocab_size": len(tokens), **ends},
        vision_config={**small, "image_size": 32},
        projection_dim=16,
    )
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(tmp_path)
    return ClipEmbedding(tmp_path)


def test_clip_embeds_images_and_prompts(tiny_clip, domains):
    """Its features of images are those of transformers itself, and gradients reach the images alone."""
    images = torch.nn.functional.interpolate(domains[0], (32, 32))
    mean, std = (torch.tensor(part)[:, None, None] for part in (tiny_clip.MEAN, tiny_clip.STD))
    theirs = tiny_clip.clip.get_image_features(pixel_values=((images + 1) / 2 - mean) / std)
    theirs = getattr(theirs, "pooler_output", theirs)
    torch.testing.assert_close(tiny_clip(images), theirs, atol=1e-5, rtol=1e-4)
    direction = tiny_clip.direction(["a dog", "photo of a dog"], ["a church"])
    assert direction.shape == (16,) and direction.norm().item() == pytest.approx(1)
    x = images.clone().requires_grad_()
    tiny_clip(x).sum().backward()
    assert x.grad.abs().sum() > 0 and not any(p.grad is not None for p in tiny_clip.clip.parameters())


def test_without_transformers_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'ood-helpers\[clip\]'"):
        ClipEmbedding("nowhere")
