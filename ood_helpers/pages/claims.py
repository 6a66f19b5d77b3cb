"""The paper's claims, and a chapter's verdicts on them: a table in the notebook, and the data of the claims page.

Source: *A Sampling-Based Domain Generalization Study with Diffusion Generative Models* (arXiv:2310.09213).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape

from ..checks import check_choice


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes
    ----------
    key : str
        The name by which a notebook judges it.
    text : str
        The claim in one sentence, in our words.
    place : str
        Where the paper makes it.
    """

    key: str
    text: str
    place: str


CLAIMS = {
    claim.key: claim
    for claim in (
        Claim(
            "reconstructs-unseen",
            "A model of one narrow domain reconstructs arbitrary images that it has never seen.",
            "Sec. 2.2, C.2, Table 2",
        ),
        Claim(
            "reconstructs-equally",
            "Unseen domains are reconstructed about as well as the training domain.",
            "Table 2",
        ),
        Claim(
            "deterministic-bijection",
            "Deterministic steps make image and latent determine each other.",
            "Sec. C.1",
        ),
        Claim(
            "reconstruction-is-representation",
            "A faithful reconstruction shows that the latent space of the model represents the unseen domain.",
            "Sec. 2.2",
        ),
        Claim(
            "lemma-c1",
            "Given the image, the state at every t of every DDIM process is Gaussian: N(√ᾱₜ x₀, (1 − ᾱₜ) I).",
            "Lemma C.1, Sec. C.3",
        ),
        Claim(
            "inverted-gaussian",
            "The inverted latents of an unseen domain are approximately standard Gaussian.",
            "Sec. C.3 with footnote 3, C.6",
        ),
        Claim(
            "fig-3c",
            "Inverted latents keep slight low-level features of their images that the eye can make out.",
            "Fig. 3(c)",
        ),
        Claim(
            "property-d1",
            "Nearly all volume of a high-dimensional ball lies in a thin slice at its equator and, at the same time, in"
            " a narrow shell at its surface; nearly all of its surface lies at the equator.",
            "Property D.1, Sec. C.7",
        ),
        Claim(
            "lemma-d2",
            "Less than (2/c) exp(−c²/2) of the volume of a hemisphere lies above the plane x₁ = c/√(d − 1), for any"
            " c > 0.",
            "Lemma D.2, Sec. C.7",
        ),
        Claim(
            "lemma-d3",
            "All but (4/c²) exp(−c²/4) of the mass of a spherical unit Gaussian lies at radii within c of √(d − 1), for"
            " any c > 0.",
            "Lemma D.3, Sec. C.7",
        ),
        Claim(
            "lemma-d4",
            "The spherical Gaussian of maximum likelihood has the mean and the standard deviation of the samples.",
            "Lemma D.4, Sec. C.7",
        ),
        Claim(
            "property-d5",
            "Two random points in high dimension are almost surely nearly orthogonal.",
            "Property D.5, Sec. C.7",
        ),
        Claim(
            "observation-1",
            "Any two inverted latents of an unseen domain are about the same distance apart.",
            "Observation 1, Sec. C.6",
        ),
        Claim(
            "observation-2",
            "Any three inverted latents of an unseen domain form angles of about 60°.",
            "Observation 2, Sec. C.6",
        ),
        Claim(
            "observation-3",
            "Any two inverted latents of an unseen domain form an angle of about 90° at the origin.",
            "Observation 3, Sec. C.6",
        ),
        Claim(
            "pixels-75",
            "The three observations do not hold for images, which form an angle of about 75° at the origin.",
            "Sec. C.6",
        ),
        Claim(
            "lemma-c2",
            "Spherical unit Gaussians can be separated, pair by pair, if their centers are d^(1/4) apart in order of"
            " magnitude.",
            "Lemma C.2, Sec. C.5",
        ),
        Claim(
            "center-distances",
            "The centers of unseen domains lie farther than d^(1/4) ≈ 21 from that of the training domain, so the modes"
            " are separated.",
            "Sec. C.5, Table 3",
        ),
        Claim(
            "svm-separable",
            "A linear support vector machine tells held-out ID and OOD latents apart, with an accuracy of 0.97 to 1.0.",
            "Sec. C.5, Table 3",
        ),
        Claim(
            "separable-earlier",
            "Domains that are separable at t = T are separated even more easily at any earlier t.",
            "Sec. C.5",
        ),
        Claim(
            "interference",
            "As the walk down turns from deterministic (η = 0) to stochastic (η = 1), images of an unseen domain turn"
            " into images of the training domain.",
            "Sec. C.4, Fig. 3(a)",
        ),
        Claim(
            "noise-starts",
            "A latent drawn from N(0, I) is surely denoised into the training domain.",
            "Sec. C.4",
        ),
        Claim(
            "captured-draws",
            "Latents sampled for an unseen domain can be captured by the training domain's mass and fail.",
            "Fig. 3(b)",
        ),
        Claim(
            "bandwidth-gap",
            "The larger the gap between the domains, the larger the bandwidth: the more fresh noise a walk tolerates.",
            "Sec. E.2.1, Fig. 5",
        ),
        Claim(
            "bandwidth-image",
            "The bandwidth is larger at latents that are closer to the image.",
            "Sec. E.2.1",
        ),
        Claim(
            "t-800",
            "Latents at t ≈ 800 are a reasonable choice: from about there on image content forms.",
            "Sec. E.2.1",
        ),
        Claim(
            "convex-combination",
            "Any convex combination of two samples of a Gaussian lies within the same distribution.",
            "Appendix D",
        ),
        Claim(
            "interpolation-generates",
            "Interpolating between inverted latents and denoising gives new images of the unseen domain.",
            "Algorithm 1, Appendix D, Fig. 2(a)",
        ),
        Claim(
            "middle-of-path",
            "The middle of an interpolation offers the better trade-off between quality and diversity.",
            "Sec. E.2.3, Fig. 8",
        ),
        Claim(
            "diversity-n",
            "Diversity increases with the number N of images of the unseen domain; 800 to 1,000 are reasonable.",
            "Sec. E.2.3, Fig. 7",
        ),
        Claim(
            "far-domains-easier",
            "Sampling works better for domains with a larger gap from the training domain.",
            "Sec. 3.1, Table 1",
        ),
        Claim(
            "vanilla-fails",
            "Tuning on images of the unseen domain alone hardly alters what a model generates: its images stay in the"
            " training domain.",
            "Sec. 3.1, Table 1",
        ),
        Claim(
            "tuning-near",
            "Tuning with a direction in an embedding works better for domains close to the training domain.",
            "Sec. 3.1, Fig. 6",
        ),
        Claim(
            "sampling-beats-tuning",
            "For domains with a large gap, sampling from the frozen model gives better images than tuning does for the"
            " same time.",
            "Sec. 3.1, Table 1, E.1",
        ),
        Claim(
            "known-categories",
            "Generated galaxies can be classified into one of the known categories.",
            "Sec. E.1",
        ),
        Claim(
            "sky-sampling-better",
            "Of galaxies and radiation fields, sampling from the frozen model makes better images than tuning toward a"
            " direction.",
            "Sec. E.1",
        ),
        Claim(
            "sampling-negligible",
            "Beside the inversion, which takes as long as tuning does, drawing new latents takes negligible time.",
            "Sec. 3.1",
        ),
        Claim(
            "no-weight-touched",
            "New domains are reached without touching a weight, so nothing of the original domain is lost.",
            "Abstract, Sec. 3",
        ),
        Claim(
            "base-quality-inherited",
            "The better a base model generates its own domain, the better are the images of unseen domains made with"
            " it.",
            "Sec. E.2.2",
        ),
        Claim(
            "cosine-better",
            "The improved DDPM, with its cosine schedule, gives better images than the DDPM with the linear one.",
            "Sec. E.2.2",
        ),
        Claim(
            "domain-transfer",
            "The same method transfers images between domains, in both directions.",
            "Fig. 2(b)",
        ),
    )
}
"""The claims by their keys, in the order of the argument."""

PROVED, HOLDS, FAILS, OPEN = "proved", "measured: holds", "measured: fails", "measured: undecided"
CSS_CLASS = {PROVED: "claim-proved", HOLDS: "claim-holds", FAILS: "claim-fails", OPEN: "claim-open"}


@dataclass(frozen=True)
class Verdict:
    """What a chapter found out about a claim; made by `proved` or `measured`.

    Attributes
    ----------
    key : str
        Key of the claim.
    status : str
        "proved", "measured: holds" or "measured: fails".
    number : str
        What was measured, with its condition.
    when : str
        Under which circumstances, or nothing.
    """

    key: str
    status: str
    number: str
    when: str = ""

    @property
    def words(self) -> str:
        """The status together with its circumstances."""
        return f"{self.status} when {self.when}" if self.when else self.status


def proved(key: str, check: bool, number: str) -> Verdict:
    """Judge a claim whose proof stands in the chapter, with a numerical check beside it.

    Parameters
    ----------
    key : str
        One of `CLAIMS`.
    check : bool
        Whether the numbers agree with the proof.
    number : str
        What was checked, such as "largest share outside 0.012, bound 0.054, d = 12,288".

    Returns
    -------
    Verdict

    Raises
    ------
    ValueError
        If there is no such claim, or the check is false: then the proof or the check has an error.
    """
    check_choice("key", key, CLAIMS)
    check_choice("check", check, (True, False))
    if not check:
        raise ValueError(f"{key}: the numerical check beside the proof is false: {number}")
    return Verdict(key, PROVED, number)


def measured(key: str, holds: bool | None, number: str, when: str = "") -> Verdict:
    """Judge a claim by what the chapter measured.

    Parameters
    ----------
    key : str
        One of `CLAIMS`.
    holds : bool or None
        Whether it holds, computed from the measurement; None if the measurement cannot tell.
    number : str
        What was measured, with its condition, such as "MAE 0.0072 to 0.013 over ten domains, t = 800".
    when : str
        Circumstances that the status is limited to; they are put after the word "when".

    Returns
    -------
    Verdict

    Raises
    ------
    ValueError
        If there is no such claim, or ``holds`` is none of the three.
    """
    check_choice("key", key, CLAIMS)
    check_choice("holds", holds, (True, False, None))
    return Verdict(key, OPEN if holds is None else HOLDS if holds else FAILS, number, when)


def report(*verdicts: Verdict) -> None:
    """Show verdicts as a table, and leave them for the claims page of the book; once in a notebook, in its last cell.

    Along with them go the operations that networks have been asked for so far, what the notebook costs.

    The data travel in the metadata of the output: MyST-NB collects what is marked as "scrapbook", and warns of types
    of data that it cannot draw.

    Parameters
    ----------
    *verdicts : Verdict
        By `proved` or `measured`.
    """
    from IPython.display import display

    from .. import operations

    bundle = {"text/html": to_html(verdicts), "text/plain": to_text(verdicts)}
    told = {"verdicts": [asdict(verdict) for verdict in verdicts], "operations": operations()}
    display(bundle, raw=True, metadata={"scrapbook": {"name": "claims"}, **told})


def to_text(verdicts: tuple[Verdict, ...]) -> str:
    """Return one line of plain text for each verdict."""
    claims = [CLAIMS[verdict.key] for verdict in verdicts]
    pairs = zip(claims, verdicts, strict=True)
    return "\n".join(f"{claim.text} ({claim.place}): {verdict.words}; {verdict.number}" for claim, verdict in pairs)


def to_html(verdicts: tuple[Verdict, ...]) -> str:
    """Return a table of claim, place, status and number; in JupyterLab cells are aligned right unless they say so."""
    left = 'style="text-align: left; vertical-align: top"'
    head = "".join(f"<th {left}>{name}</th>" for name in ("Claim", "In the paper", "Status", "Number"))
    rows = []
    for verdict in verdicts:
        claim = CLAIMS[verdict.key]
        status = f'<span class="claim-status {CSS_CLASS[verdict.status]}">{escape(verdict.words)}</span>'
        cells = (escape(claim.text), escape(claim.place), status, escape(verdict.number))
        rows.append("<tr>" + "".join(f"<td {left}>{cell}</td>" for cell in cells) + "</tr>")
    return f'<table class="claims"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
