"""For which LeNets there are fused stages. Free of torch."""

from __future__ import annotations

Filters = tuple[int, int]
"""Of a LeNet's two stages."""
USUAL: Filters = (6, 16)
IMAGE_CHANNELS = (1, 3)
"""Of the images that a first stage takes."""


def reaches(width: float, channels: int) -> bool:
    """Whether there are stages for a LeNet of this width, on images of so many channels.

    Up to 4 they are 1.7 times as fast as torch's layers, or more (docs/performance), less the wider it is.
    """
    return width <= 4 and channels in IMAGE_CHANNELS
