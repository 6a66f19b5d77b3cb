from .asyrp import Interval as Interval
from .asyrp import asyrp_denoise as asyrp_denoise
from .asyrp import train_asyrp as train_asyrp
from .diffusionclip import diffusion_clip as diffusion_clip
from .diffusionclip import translate as translate
from .embedding import ClipEmbedding as ClipEmbedding
from .embedding import scorer_embedding as scorer_embedding
from .vanilla import fine_tune as fine_tune
