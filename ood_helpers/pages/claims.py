"""Claims of the paper and of others, and a chapter's verdicts: a table in the notebook, and data of the claims page.

Source: *A Sampling-Based Domain Generalization Study with Diffusion Generative Models* (arXiv:2310.09213).
"""

from __future__ import annotations

import re
from collections import ChainMap
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import Literal

from ..checks import check_choice

# The name by which a notebook judges a claim, and where the paper makes it; below, the claim in one sentence of ours.
_TOLD = """
reconstructs-unseen: Sec. 2.2, C.2, Table 2
    A model of one narrow domain reconstructs arbitrary images that it has never seen.
reconstructs-equally: Table 2
    Unseen domains are reconstructed about as well as the training domain.
deterministic-bijection: Sec. C.1
    Deterministic steps make image and latent determine each other.
reconstruction-is-representation: Sec. 2.2
    A faithful reconstruction shows that the latent space of the model represents the unseen domain.
lemma-c1: Lemma C.1, Sec. C.3
    Given the image, the state at every t of every DDIM process is Gaussian: N(√ᾱₜ x₀, (1 − ᾱₜ) I).
inverted-gaussian: Sec. C.3 with footnote 3, C.4, C.6
    The inverted latents of an unseen domain are approximately Gaussian, around a center of their own.
fig-3c: Fig. 3(c)
    Inverted latents keep slight low-level features of their images that the eye can make out.
property-d1: Property D.1, Sec. C.7
    Nearly all volume of a high-dimensional ball lies in a thin slice at its equator and, at the same time, in a narrow
    shell at its surface; nearly all of its surface lies at the equator.
lemma-d2: Lemma D.2, Sec. C.7
    Less than (2/c) exp(−c²/2) of the volume of a hemisphere lies above the plane x₁ = c/√(d − 1), for any c > 0.
lemma-d3: Lemma D.3, Sec. C.7
    All but (4/c²) exp(−c²/4) of the mass of a spherical unit Gaussian lies at radii within c of √(d − 1),
    for any c > 0.
lemma-d4: Lemma D.4, Sec. C.7
    The spherical Gaussian of maximum likelihood has the mean and the standard deviation of the samples.
property-d5: Property D.5, Sec. C.7
    Two random points in high dimension are almost surely nearly orthogonal.
observation-1: Observation 1, Sec. C.6
    Any two inverted latents of an unseen domain are about the same distance apart.
observation-2: Observation 2, Sec. C.6
    Any three inverted latents of an unseen domain form angles of about 60°.
observation-3: Observation 3, Sec. C.6
    Any two inverted latents of an unseen domain form an angle of about 90° at the origin.
pixels-75: Sec. C.6
    The three observations do not hold for images, which form an angle of about 75° at the origin.
lemma-c2: Lemma C.2, Sec. C.5
    Spherical unit Gaussians can be separated, pair by pair, if their centers are d^(1/4) apart in order of magnitude.
center-distances: Sec. C.5, Table 3
    The centers of unseen domains lie farther than d^(1/4) ≈ 21 from that of the training domain.
svm-separable: Sec. C.5, Table 3
    A linear support vector machine tells held-out ID and OOD latents apart.
separable-earlier: Sec. C.5
    Domains that are separable at t = T are separated even more easily at any earlier t.
interference: Sec. C.4, Fig. 3(a)
    As the walk down turns from deterministic (η = 0) to stochastic (η = 1), images of an unseen domain turn into images
    of the training domain.
noise-starts: Sec. C.4
    A latent drawn from N(0, I) is surely denoised into the training domain.
captured-draws: Fig. 3(b)
    Latents sampled for an unseen domain can be captured by the training domain's mass and fail.
bandwidth-gap: Sec. E.2.1, Fig. 5
    The larger the gap between the domains, the larger the bandwidth: the more fresh noise a walk tolerates.
bandwidth-image: Sec. E.2.1
    The bandwidth is larger at latents that are closer to the image.
t-800: Sec. E.2.1
    Latents at t ≈ 800 are a reasonable choice: from about there on image content forms.
convex-combination: Appendix D
    Any convex combination of two samples of a Gaussian lies within the same distribution.
interpolation-generates: Algorithm 1, Appendix D, Fig. 2(a)
    Interpolating between inverted latents and denoising gives new images of the unseen domain.
middle-of-path: Sec. E.2.3, Fig. 8
    The middle of an interpolation offers the better trade-off between quality and diversity.
diversity-n: Sec. E.2.3, Fig. 7
    Diversity increases with the number N of images of the unseen domain; 800 to 1,000 are reasonable.
far-domains-easier: Sec. 3.1, Table 1
    Sampling works better for domains with a larger gap from the training domain.
vanilla-fails: Sec. 3.1, Table 1
    Tuning on images of the unseen domain alone hardly alters what a model generates: its images stay in the training
    domain.
tuning-near: Sec. 3.1, Fig. 6
    Tuning with a direction in an embedding works better for domains close to the training domain.
sampling-beats-tuning: Sec. 3.1, Table 1, E.1
    For domains with a large gap, sampling from the frozen model gives better images than tuning does for the same time.
sky-sampling-better: Sec. E.1
    Of galaxies and radiation fields, sampling from the frozen model makes better images than tuning toward a direction.
sampling-negligible: Sec. 3.1
    Beside the inversion, which takes as long as tuning does, drawing new latents takes negligible time.
no-weight-touched: Abstract, Sec. 3
    New domains are reached without touching a weight, so nothing of the original domain is lost.
base-quality-inherited: Sec. E.2.2
    The better a base model generates its own domain, the better are the images of unseen domains made with it.
cosine-better: Sec. E.2.2
    The improved DDPM, with its cosine schedule, gives better images than the DDPM with the linear one.
domain-transfer: Fig. 2(b)
    The same method transfers images between domains, in both directions."""

_OTHERS = """
linear-denoisers: Li et al. 2024
    The images that a trained model predicts are close to those of the best linear denoiser of its training images.
exact-reversal: Wang et al. 2024 (O-BELM)
    An explicit linear multistep rule of two states inverts an image and gives it back exactly.
copies-certify-nothing: Zeng et al. 2026
    A recovered latent that gives the image back need not be the right one: on the arc to the right one images change.
told-by-path: Heng et al. 2024 (DiffPath)
    Speed and curvature of the walk up tell images of unseen domains from those of the training domain.
noise-first: Staniszewski et al. 2024
    Forward diffusion in place of the first steps of an inversion makes latents more like Gaussian noise.
spectral-collapse: Bourriez et al. 2026
    Inversion takes sources with little fine detail, such as sketches, to latents that lack high frequencies.
corrected-combinations: Bodin et al. 2025 (COG)
    Combinations of latents that are corrected to the latents' own law give better images than the plain ones.
geodesics-better: Saito et al. 2025
    The geodesic of the predicted noise gives better images between two latents than the arc.
"""


@dataclass(frozen=True)
class Claim:
    """A claim: the key by which a notebook judges it, one sentence in our words, and where it is made."""

    key: str
    text: str
    place: str


def _claim(entry: str) -> Claim:
    head, *text = entry.splitlines()
    key, place = head.split(": ", 1)
    return Claim(key, " ".join(line.strip() for line in text), place)


CLAIMS, OTHERS = (
    {claim.key: claim for claim in map(_claim, re.split(r"\n(?=\S)", told.strip()))} for told in (_TOLD, _OTHERS)
)
"""The paper's claims by their keys, in the order of the argument; and what others have found since."""
KNOWN = ChainMap(OTHERS, CLAIMS)

PROVED, DEFINED = "proved", "true by definition"
WORDS = {
    "holds": "reproduced",
    "fails": "not reproduced",
    "undecided": "undecided",
    "depends": "depends on the domain,",
}
SMALL, PRINTED = "on small models", "by the paper's own numbers"
Outcome = Literal["holds", "fails", "undecided", "depends"]
WORLDS = {"drawn": "Drawn images", "real": "Real images"}
CSS_CLASS = {PROVED: "claim-proved", DEFINED: "claim-proved"}
for _outcome, _css in {**dict.fromkeys(WORDS, "claim-open"), "holds": "claim-holds", "fails": "claim-fails"}.items():
    CSS_CLASS |= {f"{WORDS[_outcome]} {where}": _css for where in (SMALL, PRINTED)}


@dataclass(frozen=True)
class Verdict:
    """What a chapter found out about a claim; made by `proved`, `defined` or `measured`, which tell its parts."""

    key: str
    status: str
    number: str
    when: str = ""
    world: str = "drawn"

    @property
    def words(self) -> str:
        """The status together with its circumstances."""
        return f"{self.status} when {self.when}" if self.when else self.status


def proved(key: str, check: Outcome, number: str) -> Verdict:
    """Judge a claim whose proof stands in the chapter, by a numerical check beside it, a rule of `verdicts`.

    ``number`` says what was checked, such as "largest share outside 0.012, bound 0.054, d = 12,288". ValueError: there
    is no such claim, or the check does not hold; then the proof or the check has an error.
    """
    check_choice("key", key, KNOWN)
    check_choice("check", check, WORDS)
    if check != "holds":
        raise ValueError(f"{key}: the numerical check beside the proof says {check!r}: {number}")
    return Verdict(key, PROVED, number)


def defined(key: str, check: Outcome, number: str) -> Verdict:
    """Judge a claim that is true by what its words mean, and checked all the same, as `proved` does."""
    return replace(proved(key, check, number), status=DEFINED)


def measured(
    key: str, outcome: Outcome, number: str, when: str = "", world: str = "drawn", where: str = SMALL
) -> Verdict:
    """Judge a claim by what the chapter measured; ``outcome`` is that of its rule in `verdicts`.

    ``number`` is what was measured, with its condition, such as "MAE 0.0072 to 0.013 over ten domains, t = 800";
    ``when`` are circumstances that the status is limited to, put after the word "when"; ``world`` is "drawn" or
    "real", as the images are; ``where`` says what was measured, `SMALL` models or numbers that the paper has `PRINTED`.
    ValueError: there is no such claim, or the outcome is none of these.
    """
    check_choice("key", key, KNOWN)
    check_choice("outcome", outcome, WORDS)
    check_choice("world", world, WORLDS)
    return Verdict(key, f"{WORDS[outcome]} {where}", number, when, world)


def report(*verdicts: Verdict) -> None:
    """Show verdicts as a table, and leave them for the claims page of the book; once in a notebook, in its last cell.

    They travel in the metadata of the output, with the operations that networks have been asked for so far: MyST-NB
    collects what is marked as "scrapbook", and warns of types of data that it cannot draw.
    """
    from IPython.display import display

    from .. import operations

    rows = [(KNOWN[verdict.key], verdict) for verdict in verdicts]
    text = "\n".join(f"{claim.text} ({claim.place}): {verdict.words}; {verdict.number}" for claim, verdict in rows)
    head, body = _row("th", "Claim", "Where", "Status", "Number"), ""
    for claim, verdict in rows:
        status = f'<span class="claim-status {CSS_CLASS[verdict.status]}">{escape(verdict.words)}</span>'
        body += _row("td", escape(claim.text), escape(claim.place), status, escape(verdict.number))
    html = f'<table class="claims"><thead>{head}</thead><tbody>{body}</tbody></table>'
    told = {"verdicts": [asdict(verdict) for verdict in verdicts], "operations": operations()}
    display({"text/html": html, "text/plain": text}, raw=True, metadata={"scrapbook": {"name": "claims"}, **told})


def _row(tag: str, *cells: str) -> str:
    """Return a row of a table; JupyterLab aligns cells right unless they say otherwise."""
    left = 'style="text-align: left; vertical-align: top"'
    return "<tr>" + "".join(f"<{tag} {left}>{cell}</{tag}>" for cell in cells) + "</tr>"
