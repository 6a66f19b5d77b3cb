from .losses import LOSSES as LOSSES
from .losses import noised as noised
from .losses import training_loss as training_loss
from .losses import variational_bound as variational_bound
from .scorer import EMBEDDING as EMBEDDING
from .scorer import train_scorer as train_scorer
from .toys import train as train
from .toys import untrained as untrained
