"""Remove and retrain, in a light form: what can a CLIP still learn from pictures without what a map calls relevant?"""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.clip import Clip
from ..common.checks import check_share, check_whole, need_columns
from .copies import copy_of, weights


def roar(clip: Clip, train_pairs: pd.DataFrame, test_pairs: pd.DataFrame, maps: Mapping[str, Tensor],
         share: float = 0.3, epochs: int = 2, trainable: int = 2, learning_rate: float = 2e-3, batch_size: int = 32,
         seed: int = 0) -> pd.DataFrame:
    """Fine-tune copies of `clip` on pictures that lost each map's best patches, and test them on whole pictures.

    maps: name -> (B, H, W) or (B, gh, gw) over the train pairs; of each picture the upper `share` (0..1) of the
    patches is set to the mean colour, ties broken by chance. Two rows more: "random", patches of chance, and
    "nothing removed". Columns method; accuracy_before, accuracy_after (share of test pictures that prefer their
    own caption to all other test captions, and to their distractors where they have any); loss_before,
    loss_after (contrastive, among the test pairs); changed (root mean square change of the trained weights).
    The worse a model is after, beside "random", the more of what there was to learn had the map marked. The
    default rate was picked by trial on `mini` and the drawn world (1e-3, 2e-3 and 3e-3 were tried), where exact
    masks always raised the loss above that of chance, but not always lowered the accuracy: read the loss first.

    What it is not: ROAR (Hooker et al., *A Benchmark for Interpretability Methods in Deep Neural Networks*,
    NeurIPS 2019) trains from scratch, many times, and removes from the test pictures too. Here one short run
    of AdamW changes only the image tower's last `trainable` blocks, final norm and projection, of a model that
    has seen whole pictures; the text tower and the lower blocks stay. M2IB (NeurIPS 2023) also fine-tunes, on
    its own schedule, so the numbers do not compare. Raises ValueError for maps or options that do not fit.

    >>> maps = {"nib": nib.explain(clip, list(train.image), list(train.caption), only="image").image}
    >>> nib.roar(clip, train, test, maps)
    """
    for pairs in (train_pairs, test_pairs):
        need_columns(pairs, "image", "caption")
    for name, value, least in (("epochs", epochs, 1), ("trainable", trainable, 1), ("batch_size", batch_size, 2)):
        check_whole(name, value, least)
    check_share("share", share)
    if test_pairs["caption"].nunique() < 2:
        raise ValueError("the test pairs have one caption only; pass pairs with different ones.")
    if trainable > clip.image.depth:
        raise ValueError(f"trainable is {trainable}, but the image tower has {clip.image.depth} blocks.")
    chance = torch.from_numpy(np.random.default_rng(seed).random((len(train_pairs), *clip.image.grid)))
    patches = {name: on_grid(name, scores, clip, len(train_pairs)) for name, scores in maps.items()}
    layer, pixels = clip.image.depth - trainable, clip.pixels(list(train_pairs.image))
    captions, test = clip.encode_text(list(train_pairs.caption)), HeldOut(clip, test_pairs, layer)
    before, rows = test.score(clip), []
    for name, scores in {**patches, "random": chance, "nothing removed": None}.items():
        shown = pixels if scores is None else remove(pixels, scores, chance, share)
        tuned, changed = fine_tune(clip, streams(clip, shown, layer), captions, layer, epochs, learning_rate,
                                   batch_size, seed)
        after = test.score(tuned)
        rows.append({"method": name, "accuracy_before": before[0], "accuracy_after": after[0],
                     "loss_before": before[1], "loss_after": after[1], "changed": changed})
    return pd.DataFrame(rows)


def on_grid(name: str, maps, clip: Clip, count: int) -> Tensor:
    """A map per picture, on the patches: (B, H, W) or (B, gh, gw) -> (B, gh, gw), means over each patch."""
    maps = torch.as_tensor(maps).double().cpu()
    if maps.ndim != 3 or len(maps) != count:
        raise ValueError(f"maps of {name!r} have shape {tuple(maps.shape)}; pass (B, H, W) for {count} pictures.")
    if not maps.isfinite().all():
        raise ValueError(f"maps of {name!r} contain NaN or infinity.")
    return F.adaptive_avg_pool2d(maps[:, None], clip.image.grid)[:, 0]


def remove(pixels: Tensor, scores: Tensor, chance: Tensor, share: float) -> Tensor:
    """Normalised pixels (B, 3, H, W) with the upper `share` of the patches by scores (B, gh, gw) on the mean colour."""
    flat, tie = scores.flatten(1).numpy(), chance.flatten(1).numpy()
    order = np.lexsort((tie, -flat), axis=-1)  # best first, by chance where equal
    gone = torch.zeros(flat.shape).scatter_(1, torch.from_numpy(order[:, : round(share * flat.shape[1])]), 1.0)
    gone = F.interpolate(gone.view(len(scores), 1, *scores.shape[1:]), pixels.shape[-2:], mode="nearest")
    return pixels * (1 - gone).to(pixels)


@torch.no_grad()
def streams(clip: Clip, pixels: Tensor, layer: int) -> Tensor:
    """h_layer of all pictures, (B, T, D): what lies below never changes, so it is run once."""
    return torch.cat([clip.image.stream(x.to(clip.dtype), layer) for x in pixels.split(32)])


def fine_tune(clip: Clip, h: Tensor, captions: Tensor, layer: int, epochs: int, learning_rate: float,
              batch_size: int, seed: int) -> tuple[Clip, float]:
    """A copy whose image tower was trained from `layer` on, and the root mean square change of what was trained."""
    copy, rng = copy_of(clip, "fine-tuned"), np.random.default_rng([seed, 1])
    tower = copy.image
    trained = [tensor for part in (*tower.blocks[layer:], tower.post, tower.project) for tensor in weights(part)]
    old = [tensor.clone() for tensor in trained]
    optimiser = torch.optim.AdamW([tensor.requires_grad_() for tensor in trained], lr=learning_rate, weight_decay=0.0)
    at = torch.zeros(len(h), dtype=torch.long, device=h.device)  # CLS
    with torch.inference_mode(False), torch.enable_grad():
        for _ in range(epochs):
            for rows in torch.from_numpy(rng.permutation(len(h))).to(h.device).split(batch_size):
                if len(rows) < 2:
                    continue  # one pair alone has nothing to be told apart from
                loss = contrastive(tower.finish(h[rows], layer, at[rows]), captions[rows], copy.logit_scale)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
    with torch.no_grad():
        squares = [(new.detach() - tensor).float().square().flatten() for new, tensor in zip(trained, old)]
    for tensor in trained:
        tensor.requires_grad_(False).grad = None
    return copy, float(torch.cat(squares).mean().sqrt())


def contrastive(image: Tensor, text: Tensor, logit_scale: Tensor) -> Tensor:
    """CLIP's symmetric loss of features (B, E), (B, E); equal captions are not told apart."""
    u, v = F.normalize(image.float(), dim=-1), F.normalize(text.float(), dim=-1)
    logits, own = logit_scale.exp().float() * u @ v.T, torch.arange(len(u), device=u.device)  # (B, B)
    same = (v @ v.T > 1 - 1e-6) & ~torch.eye(len(v), dtype=torch.bool, device=v.device)
    logits = logits.masked_fill(same, float("-inf"))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


class HeldOut:
    """Held-out pairs, whole: their streams and captions are read once, and each copy is scored on them."""

    def __init__(self, clip: Clip, pairs: pd.DataFrame, layer: int):
        self.layer, self.h = layer, streams(clip, clip.pixels(list(pairs.image)), layer)
        unit = lambda texts: F.normalize(clip.encode_text(list(texts)).float(), dim=-1)
        self.own = unit(pairs.caption)  # (B, E)
        hard = pairs["distractors"] if "distractors" in pairs else [[]] * len(pairs)
        self.hard = [unit(texts) if len(texts) else self.own[:0] for texts in hard]
        which = torch.from_numpy(pd.factorize(pairs.caption)[0]).to(self.own.device)
        self.same = which[:, None] == which  # (B, B): pairs of one caption, which none of them can be preferred to

    @torch.no_grad()
    def score(self, clip: Clip) -> tuple[float, float]:
        """(accuracy, contrastive loss) of a CLIP that differs from the first one from `layer` on only."""
        at = torch.zeros(len(self.h), dtype=torch.long, device=self.h.device)
        features = torch.cat([clip.image.finish(h, self.layer, a) for h, a in zip(self.h.split(32), at.split(32))])
        u = F.normalize(features.float(), dim=-1)
        scores = u @ self.own.T  # (B, B)
        rivals = scores.masked_fill(self.same, float("-inf")).amax(1)
        right = [own > torch.cat([rival[None], hard @ x]).amax()
                 for own, rival, hard, x in zip(scores.diagonal(), rivals, self.hard, u)]
        return float(torch.stack(right).float().mean()), float(contrastive(features, self.own, clip.logit_scale))
