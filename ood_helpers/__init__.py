"""Invert, study and generate images of a domain that a frozen diffusion model never saw.

Data walks one way: images -> frozen model -> latents -> new latents -> images -> verdicts -> page.
The names below are loaded when first used, so that ``import ood_helpers`` costs nothing.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "load_model": "models.loading",
    "list_models": "models.loading",
    "model_record": "models.loading",
    "save_model": "models.loading",
    "gaussian_model": "models.closed_form",
    "FrozenModel": "models.frozen",
    "CountedModel": "models.frozen",
    "load_domain": "domains",
    "list_domains": "domains",
    "domain_parameters": "domains",
    "invert": "kernels.walk",
    "denoise": "kernels.walk",
    "path": "kernels.walk",
    "fresh_images": "kernels.walk",
    "predicted_images": "kernels.walk",
    "inversion_levels": "kernels.levels",
    "generation_levels": "kernels.levels",
    "inverted_latents": "latents.inverted",
    "climbing_latents": "latents.inverted",
    "LatentStore": "latents.store",
    "gram": "latents.gram",
    "geometry": "latents.geometry",
    "gaussianity": "latents.gaussianity",
    "center_distance": "latents.separability",
    "separability": "latents.separability",
    "sample_latents": "latents.samplers",
    "slerp": "latents.samplers",
    "transfer": "latents.transfer",
    "lerp": "latents.samplers",
    "reconstruction_error": "evaluation.reconstruction",
    "round_trip": "evaluation.reconstruction",
    "latent_error": "evaluation.reconstruction",
    "load_scorer": "evaluation.scorer",
    "interference_rate": "evaluation.interference",
    "bandwidth": "evaluation.interference",
    "frechet_distance": "evaluation.distances",
    "kernel_distance": "evaluation.distances",
    "diversity": "evaluation.diversity",
    "novelty": "evaluation.diversity",
    "edge_similarity": "evaluation.structure",
}
__all__ = sorted(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__():
    return sorted([*globals(), *__all__])
