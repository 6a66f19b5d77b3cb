from .analysis import mean_opinion as mean_opinion
from .power import PowerCurve as PowerCurve
from .power import power_curve as power_curve
from .power import raters_needed as raters_needed
from .power import simulate_raters as simulate_raters
from .study import SCORES as SCORES
from .study import SIMULATED as SIMULATED
from .study import prepare as prepare
