"""Word maps: equal to a plain loop over words and patches, one forward of each picture, spans summed before the map."""
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tiny
import torch
from slow_held import slow, slow_shares

import nib_utils as nib
from nib_utils.clip.blocks import Activation
from nib_utils.studies.cost import counted, forward_operations


@pytest.fixture(scope="module")
def double():
    return nib.wrap(tiny.open_clip(layers=2, width=16, projection=8, image_size=32, patch_size=16,
                                   vision=dict(ls_init_value=0.5), text=dict(ls_init_value=0.5)).double())


def pixels(n=2):
    return tiny.pixels(n, (32, 32))


def close(got, expected, tolerance=1e-5):
    torch.testing.assert_close(got.double(), expected.double(), atol=tolerance * expected.abs().max().item(), rtol=0)


@pytest.mark.parametrize("detail, streams", [("redistributed", None), ("none", 2)])
def test_the_matrix_is_a_loop_over_words_and_patches(double, detail, streams):
    ids = tiny.captions((5, 7))
    over = {} if streams is None else {"streams": streams}  # the first alone, unless given
    found = nib.word_maps(double, pixels(), ids, detail=detail, diffusion=0.0, **over)
    for b, own in enumerate(map(torch.as_tensor, ids)):
        h, rows = double.text.embed(own[None])[0], double.text.parts["vocabulary"][own]
        h_image = double.image.embed(pixels()[b : b + 1])[0]
        for word in range(1, len(own) - 1):
            move = torch.zeros_like(h)[None]
            move[0, word] = rows[word]
            part = torch.stack([slow(double.text, h, move, len(own) - 1, axis, 0.0)[0] for axis in torch.eye(8).double()])
            close(found.parts[b][word - 1], part)
            expected = slow_shares(double.image, h_image, 0, part, 0.0, streams or 1)[1:] * part.norm()
            close(found.scores[b][word - 1].flatten(), expected)


def test_words_add_up_to_what_explain_says_of_them(double):
    """A word's part, compared with the picture's unit feature, is the score that the word has by itself."""
    found, ex = nib.word_maps(double, pixels(), ids := tiny.captions((5, 7))), nib.explain(
        double, pixels(), ids, "nib_held")
    for b in range(2):
        unit = torch.nn.functional.normalize(ex.features[0][b], dim=0)
        close(found.parts[b] @ unit, ex.text_scores[b][1:-1])


def test_a_span_is_summed_before_it_is_mapped(double):
    found = nib.word_maps(double, pixels(), tiny.captions((5, 7)))
    close(found.span(1, 2, 3), found.maps[1][2])
    target = found.parts[1][1:4].sum(0, keepdim=True)
    scores = nib.METHODS["nib_held"](double.image, double.image.read(pixels()[1:]), target, streams=1, attention=0.0)[0]
    close(found.span(1, 1, 4), scores * target.norm())
    other = (found.span(1, 1, 4) - found.maps[1][1:4].sum(0)).abs()  # the sum of the words' maps is another map
    assert other.max() > 0.01 * found.span(1, 1, 4).abs().max()
    close(found.span(1, 1, 4).view(2, 16, 2, 16).mean((1, 3)), found.scores[1][1:4].sum(0))  # of the same patches
    for wrong, words in (((2, 0, 1), "pair is 2; there are pairs 0..1"), ((1, 0, 6), "caption 1 has 5 words"),
                         ((1, 3, 3), "the span is 3..3")):
        with pytest.raises(ValueError, match=words):
            found.span(*wrong)


def test_all_words_share_one_forward_of_the_picture(double, monkeypatch):
    runs, act = [], double.image.blocks[0].act
    counting = Activation(lambda x: (runs.append(len(x)), act.unit(x))[1], act.gain)
    monkeypatch.setattr(double.image.blocks[0], "act", counting)
    nib.word_maps(double, pixels()[[0, 1, 0]], tiny.captions((5, 12, 7)))
    assert runs == [2]  # two pictures, one of them with two captions


def test_a_word_takes_one_pass_of_either_tower_however_long_the_other_captions_are():
    clip, x, ids = nib.wrap(tiny.openai(layers=6)), tiny.pixels(2), tiny.captions((4, 21))
    both = [forward_operations(clip, x) + counted(lambda own=own: clip.text(torch.as_tensor(own)[None])) for own in ids]
    spent = counted(lambda: nib.word_maps(clip, x, ids, detail="none"))
    assert spent < 1.1 * sum((len(own) - 1) * one for own, one in zip(ids, both))  # its words, and once to read them


def test_a_batch_is_its_pairs_one_by_one(double):
    x, ids = pixels(3)[[0, 1, 0, 2]], tiny.captions()
    together = nib.word_maps(double, x, ids, batch_size=4)
    assert len(together) == 4 and [len(w) for w in together.words] == [3, 7, 10, 5]
    for b in range(4):
        alone = nib.word_maps(double, x[b : b + 1], ids[b : b + 1])
        for name in ("parts", "scores", "maps"):
            got, expected = getattr(together, name)[b], getattr(alone, name)[0]
            assert got.shape[0] == len(ids[b]) - 2 and expected.any()
            close(got, expected, 1e-6)


@pytest.mark.parametrize("method", ["nib_held", "attn_lrp", "legrad"])
def test_half_precision_and_other_methods(method):
    found = nib.word_maps(nib.wrap(tiny.openai().bfloat16()), tiny.pixels(1), tiny.captions((77,)), method)
    assert found.maps[0].shape == (75, 64, 64) and found.scores[0].shape == (75, 2, 2)
    assert found.maps[0].isfinite().all() and found.scores[0].isfinite().all()


def test_bad_input_is_named(double):
    with pytest.raises(ValueError, match="no method is called 'lime'"):
        nib.word_maps(double, pixels(), tiny.captions((5, 7)), "lime")
    with pytest.raises(TypeError, match="nib_held has no option 'steps'"):
        nib.word_maps(double, pixels(), tiny.captions((5, 7)), steps=3)
    with pytest.raises(ValueError, match="2 images and 1 captions"):
        nib.word_maps(double, pixels(), tiny.captions((5,)))


def test_a_span_points_at_its_object(clip):
    """On the embedded model: the words of each object of a whole caption, against its mask."""
    pairs = nib.load_pairs("shapes", n=8, seed=904)
    pairs = pairs[pairs["phrases"].map(len) >= 2]
    found = nib.word_maps(clip, list(pairs["image"]), list(pairs["caption"]))
    hits = []
    for b, (phrases, masks) in enumerate(zip(pairs["phrases"], pairs["masks"])):
        for phrase, mask in zip(phrases, masks):
            words, of = found.words[b], phrase.split()
            start = next(i for i in range(len(words)) if words[i : i + len(of)] == of)
            hits += nib.pointing(found.span(b, start, start + len(of))[None], torch.as_tensor(mask)[None]).tolist()
    assert len(hits) > 8 and np.mean(hits) > 0.9


def test_a_picture_of_it(clip, tmp_path):
    pair = nib.load_pairs("shapes", n=1, seed=903).iloc[0]
    found = nib.word_maps(clip, [pair["image"]], [pair["caption"]])
    figure = found.plot()
    content = [word for word in found.words[0] if word not in ("a", "and", ",")]
    titles = [axis.get_title().split()[0] for axis in figure.axes if axis.get_title()]
    assert titles == content and pair["caption"] in figure.get_suptitle().replace("\n", " ")
    assert len([axis for axis in found.plot(words=[0]).axes if axis.get_title()]) == 1
    figure.savefig(tmp_path / "words.png")
    plt.close("all")
