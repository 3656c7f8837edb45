"""Which layer a method looks at, when the towers differ in depth."""
from __future__ import annotations

from ...clip.tower import Tower


def resolve(tower: Tower, layer: int | None, share: float) -> int:
    """The asked layer, checked, or the published one scaled to this tower's depth (`share` of it, rounded).

    The default is never the last block, at whose input all but the pooled token have nothing left to say.
    """
    if layer is None:
        return max(0, min(round(share * tower.depth), tower.depth - 2))
    if not 0 <= layer < tower.depth:
        raise ValueError(f"layer is {layer}; the {tower.kind} tower has blocks 0..{tower.depth - 1}, "
                         f"and h_{tower.depth} has only the pooled token left to explain.")
    return layer
