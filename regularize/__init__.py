"""What happens inside a pack: data, networks, regularizers, training, evaluation, tables.

The ground floor of the toolkit: it knows nothing of sweeps, Slurm or figures. Importing it is
cheap; the modules that compute import torch, the ones that describe (`config`, `regularizers`,
`store`) do not.
"""

__version__ = "0.1.0"
