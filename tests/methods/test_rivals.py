"""The methods one would pick today: each equal to a plain slow form of its paper's definition."""
import golden
import pytest
import tiny
import torch

import nib_utils as nib
from nib_utils.clip.captions import pad
from nib_utils.clip.similarity import cosine
from nib_utils.methods.shared.held import Held


@pytest.fixture(scope="module", params=["image", "text"])
def reading(request):
    """(tower, tokens, target) of the golden images, or of the golden captions."""
    clip, (pixels, ids) = golden.clip(), golden.inputs()
    image, text = clip.image.read(pixels), clip.text.read(pad([torch.as_tensor(i) for i in ids]))
    return (clip.image, image, text.feature) if request.param == "image" else (clip.text, text, image.feature)


def close(got, expected, tolerance=1e-5):
    size = expected.abs().max().item()
    assert size > 0
    torch.testing.assert_close(got, expected.detach().to(got.dtype), atol=tolerance * size, rtol=0)


def own(tower, tokens, b):
    """What of sample b is its own, without padding: (tower input (1, ...), T)."""
    length = int(tokens.lengths[b])
    return (tokens.x[b : b + 1] if tower.grid else tokens.x[b : b + 1, :length]), length


def test_rollout_is_a_product_of_matrices(reading):
    tower, tokens, target = reading
    flow = torch.eye(tokens.stream(0).shape[1])
    for block, h in zip(tower.blocks, map(tokens.stream, range(tokens.tower.depth))):
        flow = (block.attention(block.norm1(h)).mean(1) + torch.eye(h.shape[1])) / 2 @ flow
    got = nib.METHODS["rollout"](tower, tokens, target)
    close(got, flow[torch.arange(4), tokens.at])
    torch.testing.assert_close(got.sum(1), torch.ones(4))


def test_legrad_is_the_gradient_by_whole_attention_matrices(reading):
    tower, tokens, target = reading
    got = nib.METHODS["legrad"](tower, tokens, target)
    later = nib.METHODS["legrad"](tower, tokens, target, first=10)
    for b in range(4):
        x, length = own(tower, tokens, b)
        h, maps = tower.embed(x), []
        for block in tower.blocks:
            h = h.detach()
            n = block.norm1(h)
            attention = block.attention(n).requires_grad_()
            h = block.mlp(h + block.mix(attention, n))
            s = cosine(tower.head(h.mean(1)), target[b : b + 1])
            gradient, = torch.autograd.grad(s.sum(), attention)  # (1, heads, T, T)
            gradient = gradient.tril() if block.causal else gradient  # what is masked cannot grow
            maps.append(gradient.relu().mean((0, 1, 2)))
        close(got[b, :length], torch.stack(maps).mean(0))
        close(later[b, :length], torch.stack(maps[10:]).mean(0))
        assert not got[b, length:].any()


@pytest.mark.parametrize("blocks", [1, 3, 99])
def test_grad_eclip_is_head_by_head_and_block_by_block(reading, blocks):
    """Blocks of an image are rectified and then summed, those of a caption summed and then rectified, words alone."""
    tower, tokens, target = reading
    got = nib.METHODS["grad_eclip"](tower, tokens, target, blocks=blocks)
    torch.testing.assert_close(tokens.feature, tower(tokens.x), atol=1e-5, rtol=1e-5)
    for b in range(4):
        x, length = own(tower, tokens, b)
        at, h, opened = int(tokens.at[b]), tower.embed(x), []
        for block in tower.blocks:
            n = block.norm1(h)
            q, k, v = (block.split(part(n))[0] for part in (block.q, block.k, block.v))  # (heads, T, d)
            mixed = block.attention(n)[0] @ v
            mixed = mixed if mixed.requires_grad else mixed.requires_grad_()
            opened.append((q, k, v, mixed))
            h = block.mlp(h + block.out(mixed.transpose(0, 1).flatten(1)))
        opened = opened[-blocks:]
        gradients = torch.autograd.grad(cosine(tower.head(h[0, at]), target[b]), [mixed for *_, mixed in opened])
        first, words = (1, range(1, length)) if tower.grid else (0, range(1, length - 1))
        terms = torch.zeros(len(opened), length)
        for term, (q, k, v, _), gradient in zip(terms, opened, gradients):
            for head in range(len(q)):
                match = torch.stack([cosine(q[head, at], k[head, t]) for t in range(first, length)])
                match = (match - match.min()) / (match.max() - match.min())
                for t in words:
                    term[t] += (match[t - first] * (v[head, t] @ gradient[head, at])).detach()
        expected = terms.relu().sum(0) if tower.grid else terms.sum(0).relu()
        torch.testing.assert_close(got[b, :length], expected, atol=1e-5 * terms.abs().max().item(), rtol=0)
        assert not got[b, length:].any()
    assert (got.amax(1) > 0).sum() > 1  # a caption of which one block finds nothing is no test


@pytest.mark.parametrize("blocks, first", [(6, 6), (2, 10), (99, 0)])
def test_clip_surgery_is_a_second_path(reading, blocks, first):
    tower, tokens, target = reading
    got = nib.METHODS["clip_surgery"](tower, tokens, target, **({} if blocks == 6 else {"blocks": blocks}))
    for b in range(4):
        x, length = own(tower, tokens, b)
        h = path = tower.stream(x, first)
        for block in tower.blocks[first:]:
            v = block.split(block.v(block.norm1(h)))
            logits = v @ v.transpose(-1, -2) / v.shape[-1] ** 0.5
            if block.causal:
                logits = logits + torch.full_like(logits, float("-inf")).triu(1)
            path = path + block.out((logits.softmax(-1) @ v).transpose(1, 2).flatten(2))
            h = block(h)
        close(got[b, :length], torch.stack([cosine(tower.head(path[0, t]), target[b]) for t in range(length)]))


def test_last_blocks_are_counted_from_the_end_in_deep_towers():
    """6 and 12 of 24, whatever the depth; and a number below 1 is named."""
    deep = nib.wrap(tiny.openai(layers=24))
    tokens, target = deep.image.read(tiny.pixels(2)), torch.randn(2, 32)
    for name, count in (("clip_surgery", 6), ("grad_eclip", 12)):
        run = nib.METHODS[name]
        default, same, all_ = (run(deep.image, tokens, target, **o) for o in ({}, {"blocks": count}, {"blocks": 24}))
        assert torch.equal(default, same) and not torch.allclose(default, all_)
        with pytest.raises(ValueError, match=f"{name}: blocks is 0; it takes at least 1."):
            run(deep.image, tokens, target, blocks=0)


# AttnLRP, rule by rule: relevance R of an output becomes relevance of its inputs


def linear_rule(x, layer, R):
    """Each input gets its share of each output: `x_j sum_i W_ij R_i / y_i`."""
    return x * ((R / layer(x)) @ layer.weight)


def product_rule(a, b, y, R):
    """`y = a @ b`: half of each term's share to either factor."""
    share = R / y / 2
    return a * (share @ b.transpose(-1, -2)), b * (a.transpose(-1, -2) @ share)


def norm_rule(norm, x, R):
    """Linear with its deviation held: centre, scale and shift, the shift absorbing its share."""
    y = norm(x)
    scale = norm.weight / (x.var(-1, unbiased=False, keepdim=True) + norm.eps).sqrt()
    per = R / y * scale
    return x * (per - per.mean(-1, keepdim=True))


def softmax_rule(logits, a, R):
    """First order: `x_i (R_i - a_i sum R)`, masked entries having none."""
    R = torch.where(a > 0, logits.masked_fill(a == 0, 0) * (R - a * R.sum(-1, keepdim=True)), 0.0)
    return R


def block_rule(block, h, R):
    x1 = block.norm1(h)
    q, k, v = (block.split(part(x1)) for part in (block.q, block.k, block.v))
    kt = k.transpose(-1, -2) * q.shape[-1] ** -0.5
    logits = q @ kt
    a = block.attention(x1)
    o = a @ v
    merged = o.transpose(1, 2).flatten(2)
    y = block.out(merged)
    middle = h + y
    x2 = block.norm2(middle)
    u = block.fc1(x2)
    z = block.fc2(block.act(u))
    total = middle + z
    # backwards
    R_middle, R_z = R * middle / total, R * z / total
    R_u = linear_rule(block.act(u), block.fc2, R_z)  # an activation hands its relevance on
    R_middle = R_middle + norm_rule(block.norm2, middle, linear_rule(x2, block.fc1, R_u))
    R_h, R_y = R_middle * h / middle, R_middle * y / middle
    R_o = block.split(linear_rule(merged, block.out, R_y))
    R_a, R_v = product_rule(a, v, o, R_o)
    R_q, R_k = product_rule(q, kt, logits, softmax_rule(logits, a, R_a))
    join = lambda r: r.transpose(1, 2).flatten(2)
    R_x = (linear_rule(x1, block.q, join(R_q)) + linear_rule(x1, block.k, join(R_k.transpose(-1, -2)))
           + linear_rule(x1, block.v, join(R_v)))
    return R_h + norm_rule(block.norm1, h, R_x)


def test_attn_lrp_is_relevance_handed_down_rule_by_rule():
    """In double precision: the rules divide by outputs that may be near zero."""
    clip = nib.wrap(tiny.hf(layers=2, width=16, heads=2, projection=8).double())
    x, ids = tiny.pixels(2).double(), pad([torch.as_tensor(i) for i in tiny.captions((6, 6))])
    for tower, inputs in ((clip.image, x), (clip.text, ids)):
        target = torch.randn(2, 8, dtype=torch.float64)
        tokens = tower.read(inputs)
        h, streams = tower.embed(inputs), []
        for block in tower.blocks:
            streams.append(h)
            h = block(h)
        rows = torch.arange(2)
        row = h[rows, tokens.at]
        normed = tower.post(row)
        feature = tower.project(normed)
        R = feature * target / (feature.norm(dim=-1, keepdim=True) * target.norm(dim=-1, keepdim=True))
        R = norm_rule(tower.post, row, linear_rule(normed, tower.project, R))
        relevance = torch.zeros_like(h)
        relevance[rows, tokens.at] = R
        for block, h in zip(reversed(tower.blocks), reversed(streams)):
            relevance = block_rule(block, h, relevance)
        close(nib.METHODS["attn_lrp"](tower, tokens, target), relevance.sum(-1), 1e-5)


def test_a_held_tower_leaves_the_feature_as_it_is(reading):
    tower, tokens, _ = reading
    feature = Held(tower, tokens.stream(0), tokens.at).feature
    torch.testing.assert_close(feature, tokens.feature, atol=1e-4, rtol=1e-4)
