"""The public names; `lazy_loader` reads where each one lives, type checkers and completion read what it is."""

from .domains import domain_parameters as domain_parameters
from .domains import list_domains as list_domains
from .domains import load_domain as load_domain
from .evaluation.distances import frechet_distance as frechet_distance
from .evaluation.distances import kernel_distance as kernel_distance
from .evaluation.diversity import diversity as diversity
from .evaluation.diversity import novelty as novelty
from .evaluation.interference import bandwidth as bandwidth
from .evaluation.interference import interference_rate as interference_rate
from .evaluation.reconstruction import (
    latent_error as latent_error,
)
from .evaluation.reconstruction import (
    reconstruction_error as reconstruction_error,
)
from .evaluation.reconstruction import (
    round_trip as round_trip,
)
from .evaluation.scorer import load_scorer as load_scorer
from .evaluation.structure import edge_similarity as edge_similarity
from .kernels.levels import generation_levels as generation_levels
from .kernels.levels import inversion_levels as inversion_levels
from .kernels.walk import (
    denoise as denoise,
)
from .kernels.walk import (
    fresh_images as fresh_images,
)
from .kernels.walk import (
    invert as invert,
)
from .kernels.walk import (
    path as path,
)
from .kernels.walk import (
    predicted_images as predicted_images,
)
from .latents.gaussianity import gaussianity as gaussianity
from .latents.geometry import geometry as geometry
from .latents.gram import gram as gram
from .latents.inverted import climbing_latents as climbing_latents
from .latents.inverted import inverted_latents as inverted_latents
from .latents.samplers import lerp as lerp
from .latents.samplers import sample_latents as sample_latents
from .latents.samplers import slerp as slerp
from .latents.separability import center_distance as center_distance
from .latents.separability import separability as separability
from .latents.store import LatentStore as LatentStore
from .latents.transfer import transfer as transfer
from .models.closed_form import gaussian_model as gaussian_model
from .models.frozen import CountedModel as CountedModel
from .models.frozen import FrozenModel as FrozenModel
from .models.loading import (
    list_models as list_models,
)
from .models.loading import (
    load_model as load_model,
)
from .models.loading import (
    model_record as model_record,
)
from .models.loading import (
    save_model as save_model,
)

__version__: str
