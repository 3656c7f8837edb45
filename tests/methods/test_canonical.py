"""The canonical forms: equal to a library that has them, or to a plain slow form of their definition."""
import golden
import pytest
import torch
from captum.attr import InputXGradient, IntegratedGradients, Saliency
from pytorch_grad_cam import GradCAM

import nib_utils as nib
from nib_utils.clip.captions import pad
from nib_utils.clip.similarity import cosine
from nib_utils.maps.maps import minmax
from nib_utils.methods.shared.random_masks import Masks


@pytest.fixture(scope="module")
def clip():
    return golden.clip()


@pytest.fixture(scope="module")
def readings(clip):
    """(tower, tokens, target) of the golden images, and of the golden captions."""
    pixels, ids = golden.inputs()
    image, text = clip.image.read(pixels), clip.text.read(pad([torch.as_tensor(i) for i in ids]))
    return {"image": (clip.image, image, text.feature), "text": (clip.text, text, image.feature)}


def close(got, expected, tolerance=1e-5):
    """Within `tolerance` of the largest expected value, which is not nothing."""
    size = expected.abs().max().item()
    assert size > 0
    torch.testing.assert_close(got, expected.to(got.dtype), atol=tolerance * size, rtol=0)


@pytest.mark.parametrize("layer", [10, 4])
def test_pooled_gradcam_is_the_grad_cam_packages(clip, readings, layer):
    """The package hooks the module whose output is the stream, drops CLS itself, and calls the model with pixels."""
    tower, tokens, target = readings["image"]
    model = clip.model

    class Similarity(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            out = self.model.get_image_features(pixel_values=x)
            return cosine(out if isinstance(out, torch.Tensor) else out.pooler_output, target)[:, None]

    grid = lambda h: h[:, 1:].unflatten(1, tower.grid).permute(0, 3, 1, 2)  # (B, D, gh, gw)
    hooked = model.vision_model.encoder.layers[layer - 1]  # leaves h_layer
    with GradCAM(Similarity(), [hooked], reshape_transform=grid) as cam:
        targets = [lambda out: out[0]] * 4
        cam(tokens.x, targets)  # scales each map to 0..1, so the raw map is asked for below
        seen = (v[0].numpy() for v in (cam.activations_and_grads.activations, cam.activations_and_grads.gradients))
        expected = torch.as_tensor(cam.get_cam_image(tokens.x, hooked, targets, *seen)).relu()
    got = nib.METHODS["gradcam_pooled"](tower, tokens, target, layer=layer)[:, 1:].unflatten(1, tower.grid)
    close(got, expected)


def test_pooled_gradcam_on_words_is_its_definition(readings):
    tower, tokens, target = readings["text"]
    for b, length in enumerate(tokens.lengths.tolist()):  # one caption at a time, without padding
        h = tokens.stream(10)[b : b + 1, :length].clone().requires_grad_()
        gradient, = torch.autograd.grad(cosine(tower.finish(h, 10, tokens.at[b : b + 1]), target[b : b + 1]).sum(), h)
        expected = (h * gradient.mean(1, keepdim=True)).sum(-1).relu()[0]
        got = nib.METHODS["gradcam_pooled"](tower, tokens, target)[b]
        assert not got[length:].any()
        torch.testing.assert_close(got[:length], expected.detach(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["image", "text"])
def test_chefers_relevance_is_its_definition(clip, readings, kind):
    """R = I; R = R + mean relu(gradient * attention) R, block after block, with whole matrices, for the logit."""
    tower, tokens, target = readings[kind]
    h, attentions = tokens.stream(0), []
    for block in tower.blocks:
        x = block.norm1(h)
        attentions.append(block.attention(x).requires_grad_() if not attentions else block.attention(x))
        h = block.mlp(h + block.mix(attentions[-1], x))
    rows = torch.arange(len(h))
    logit = clip.model.logit_scale.exp() * cosine(tower.head(h[rows, tokens.at]), target)
    relevance = torch.eye(h.shape[1]).expand(len(h), -1, -1)
    for a, g in zip(attentions, torch.autograd.grad(logit.sum(), attentions)):
        relevance = relevance + (g * a).relu().mean(1) @ relevance
    got, expected = nib.METHODS["chefer_full"](tower, tokens, target), relevance[rows, tokens.at].detach()
    close(got, expected)
    for b, length in enumerate(tokens.lengths.tolist()):  # as maps: patches alone, or a caption's own tokens
        seen = slice(1, None) if tower.grid else slice(length)
        torch.testing.assert_close(minmax(got[b, seen]), minmax(expected[b, seen]), atol=2e-6, rtol=0)


def entrances(readings, kind):
    """The forward function and the input that Captum differentiates by, and the axis of its channels."""
    tower, tokens, target = readings[kind]
    if kind == "image":
        return tokens.x, lambda x, at, goal: cosine(tower(x), goal), 1
    embeddings, positions = tower.parts["vocabulary"][tokens.x], tower.parts["positions"][: tokens.x.shape[1]]
    return embeddings, lambda e, at, goal: cosine(tower.finish(tower.pre(e + positions), 0, at), goal), -1


@pytest.mark.parametrize("kind", ["image", "text"])
def test_input_methods_are_captums(readings, kind):
    tower, tokens, target = readings[kind]
    x, forward, channels = entrances(readings, kind)
    more = dict(additional_forward_args=(tokens.at, target))
    run = lambda name, **options: nib.METHODS[name](tower, tokens, target, **options)
    close(run("input_gradient"), Saliency(forward).attribute(x, **more).amax(channels))
    close(run("input_x_gradient"), InputXGradient(forward).attribute(x, **more).sum(channels))
    expected = IntegratedGradients(forward).attribute(x, 0 * x, n_steps=7, method="riemann_middle", **more)
    close(run("integrated_gradients", steps=7), expected.sum(channels))


def test_integrated_gradients_add_up_to_the_difference(readings):
    tower, tokens, target = readings["text"]
    x, forward, _ = entrances(readings, "text")
    difference = forward(x, tokens.at, target) - forward(0 * x, tokens.at, target)
    got = nib.METHODS["integrated_gradients"](tower, tokens, target, steps=200).sum(1)
    torch.testing.assert_close(got, difference, atol=0.02 * difference.abs().max().item(), rtol=0)


@pytest.mark.parametrize("name, centred, p, cells", [("rise", False, 0.1, 8), ("rise_centred", True, 0.5, 7)])
def test_rise_is_a_plain_loop_over_masks(readings, name, centred, p, cells):
    for kind, (tower, tokens, target) in readings.items():
        got = nib.METHODS[name](tower, tokens, target, masks=9, seed=3)
        for b, length in enumerate(tokens.lengths.tolist()):
            shape = (224, 224) if kind == "image" else (length,)
            masks = Masks(9, shape, cells, p, 3 + b)[torch.arange(9)]
            similarities = []
            for m in masks:
                if kind == "image":
                    feature = tower(tokens.x[b : b + 1] * m)
                else:
                    e = tower.parts["vocabulary"][tokens.x[b : b + 1, :length]] * m[:, None]
                    feature = tower.finish(tower.pre(e + tower.parts["positions"][:length]), 0, tokens.at[b : b + 1])
                similarities.append(cosine(feature, target[b : b + 1])[0])
            s = torch.stack(similarities).double()
            s = s - s.mean() if centred else s
            expected = sum(si * m.double() for si, m in zip(s, masks)) / 9 / p
            own = got[b] if kind == "image" else got[b, :length]
            close(own, expected.float())


def test_rise_masks_the_places_of_words_and_the_release_their_rows(readings):
    """The release masks rows of the vocabulary, a word's last place last: the same but where a word recurs."""
    tower, tokens, target = readings["text"]
    recurs = []
    for b, length in enumerate(tokens.lengths.tolist()):
        ids, at = tokens.x[b, :length], tokens.at[b : b + 1]
        masks, scores = Masks(9, (length,), 8, 0.1, b)[torch.arange(9)], torch.zeros(length)
        for m in masks:
            vocabulary = {int(i): tower.parts["vocabulary"][i] * share for i, share in zip(ids, m)}
            e = torch.stack([vocabulary[int(i)] for i in ids])[None] + tower.parts["positions"][:length]
            scores += cosine(tower.finish(tower.pre(e), 0, at), target[b : b + 1]) * m / 9 / 0.1
        got = nib.METHODS["rise"](tower, tokens, target, masks=9)[b, :length]
        recurs.append(len(ids.unique()) < length)
        assert torch.allclose(got, scores, atol=1e-5 * scores.abs().max().item(), rtol=0) == (not recurs[-1])
    assert set(recurs) == {True, False}


def test_random_masks_are_as_open_as_asked_and_smooth():
    masks = Masks(400, (64, 48), 8, 0.3, 0)[torch.arange(400)]
    assert masks.shape == (400, 64, 48) and 0 <= masks.min() and masks.max() <= 1
    assert abs(masks.mean().item() - 0.3) < 0.02
    assert (masks.diff(dim=1).abs().max() <= 1 / 8 + 1e-6) and (masks.diff(dim=2).abs().max() <= 1 / 6 + 1e-6)
    assert torch.equal(Masks(400, (64, 48), 8, 0.3, 0)[torch.tensor([7])], masks[7:8])
    assert not torch.equal(Masks(400, (64, 48), 8, 0.3, 1)[torch.tensor([7])], masks[7:8])


@pytest.mark.parametrize("kind", ["image", "text"])
def test_mfaba_stops_where_the_pair_no_longer_matches(readings, kind):
    tower, tokens, target = readings[kind]
    stop, size = 0.05, 0.003
    got = nib.METHODS["mfaba_boundary"](tower, tokens, target, stop=stop, size=size, steps=40)
    taken = []
    for b, length in enumerate(tokens.lengths.tolist()):
        if kind == "image":
            x, enter = tower.tokens(tokens.x[b : b + 1]), tower.pre
            rows = torch.arange(length)
        else:
            used, rows = tokens.x[b, :length].unique(return_inverse=True)
            x = tower.parts["vocabulary"][used][None]
            enter = lambda v, rows=rows, n=length: tower.pre(v[:, rows] + tower.parts["positions"][:n])
        expected, n = torch.zeros(x.shape[1]), 0
        while n < 40:
            x = x.detach().requires_grad_()
            s = cosine(tower.finish(enter(x), 0, tokens.at[b : b + 1]), target[b : b + 1])
            if s <= stop:
                break
            g, = torch.autograd.grad(s.sum(), x)
            after = x.detach() - size * g.sign()
            expected, x, n = expected - ((after - x) * g).sum(-1)[0].detach(), after, n + 1
        taken.append(n)
        got_rows = got[b, :length]
        torch.testing.assert_close(got_rows, expected[rows], atol=2e-4, rtol=2e-3)
    assert len(set(taken)) > 1  # they stop at different steps


def test_mfaba_of_a_pair_that_never_matched_is_blank(clip):
    pixels, ids = golden.inputs()
    similarity = nib.explain(clip, pixels, ids, "all_ones").similarity
    with pytest.warns(UserWarning, match="finds nothing"):
        ex = nib.explain(clip, pixels, ids, "mfaba_boundary", stop=float(similarity.max()) + 0.01)
    assert not ex.image.any()
