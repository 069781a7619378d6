"""Which generator draws the noise of what trains. Free of torch.

On a CPU mt19937, a run after the other; elsewhere philox (`draws`), unless the environment says otherwise.
"""

from __future__ import annotations

from regularize.environment_choice import AUTO, choice

SETTING = "REGULARIZE_DRAWS"
"""Environment variable: `auto`, or the generator to use (`mt19937`, `philox`) on any device."""
GENERATORS = ("mt19937", "philox")


def generator_on(device: str) -> str:
    """Which generator draws the noise of what trains on a type of device.

    Raises:
        UserError: the setting is none.
    """
    setting = choice(SETTING, GENERATORS)
    if setting != AUTO:
        return setting
    return "mt19937" if device == "cpu" else "philox"


def named(kernels: str, device: str) -> str:
    """The way that a result is computed: these kernels, and the generator of draws if it is not mt19937."""
    drawn = generator_on(device)
    return kernels if drawn == "mt19937" else f"{kernels}, draws by {drawn}"
