"""Wrapped models give their library's own features and are left as they came; what cannot be wrapped says why."""
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from torch import nn
from weights import check, raises, sentence

from nib_utils.clip.captions import Tokenizer
from nib_utils.loading.live.wrap import LIBRARIES, library_of, wrap
from nib_utils.loading.load import load_clip

GOLDEN = Path(__file__).parents[2] / "golden" / "reference_outputs.npz"

BY_ID = dict(pool_type="eos", eos_id=tiny.EOS)
MODELS = {  # name: (what makes the model, its options)
    "clip, patch 32": (tiny.openai, dict()),
    "clip, patch 16, 2 heads": (tiny.openai, dict(width=128, heads=2, patch_size=16)),
    "clip, 336 px, patch 14": (tiny.openai, dict(image_size=336, patch_size=14, layers=2)),
    "open_clip, GELU": (tiny.open_clip, dict()),
    "open_clip, QuickGELU": (tiny.open_clip, dict(quick_gelu=True)),
    "open_clip, GELU by tanh": (tiny.open_clip, dict(vision=dict(act_kwargs=dict(approximate="tanh")))),
    "open_clip, LayerScale": (tiny.open_clip, dict(vision=dict(ls_init_value=0.1), text=dict(ls_init_value=0.1))),
    "open_clip, no_ln_pre": (tiny.open_clip, dict(vision=dict(no_ln_pre=True))),
    "open_clip, 64 x 96": (tiny.open_clip, dict(image_size=(64, 96), patch_size=16)),
    "open_clip, 70 px, patch 32": (tiny.open_clip, dict(image_size=70)),
    "open_clip, 336 px, patch 14": (tiny.open_clip, dict(image_size=336, patch_size=14, layers=2)),
    "open_clip, sin-cos positions": (tiny.open_clip, dict(vision=dict(pos_embed_type="sin_cos_2d"))),
    "open_clip, norm after pooling": (tiny.open_clip, dict(vision=dict(final_ln_after_pool=True))),
    "open_clip, eps 1e-3": (tiny.open_clip, dict(vision=dict(norm_kwargs=dict(eps=1e-3)))),
    "open_clip, custom blocks, nothing custom": (
        tiny.open_clip, dict(vision=dict(block_type="custom"), text=dict(block_type="custom"))),
    "open_clip, EOS by id": (tiny.open_clip, dict(text=BY_ID)),
    "open_clip, tokens beyond EOS": (tiny.open_clip, dict(text=BY_ID | dict(vocab_size=49500))),
    "open_clip, no text projection": (tiny.open_clip, dict(projection=64, text=dict(proj_type="none"))),
    "open_clip, scalars of SigLIP": (tiny.open_clip, dict(init_logit_bias=-10.0, nonscalar_logit_scale=True)),
    "open_clip, CustomTextCLIP": (tiny.open_clip, dict(custom_text=True, quick_gelu=True)),
    "open_clip, CustomTextCLIP, EOS by id": (tiny.open_clip, dict(custom_text=True, text=BY_ID)),
    "open_clip, linear text projection": (tiny.open_clip, dict(custom_text=True, text=dict(proj_bias=True))),
    "transformers, QuickGELU": (tiny.hf, dict()),
    "transformers, GELU": (tiny.hf, dict(vision=dict(hidden_act="gelu"), text=dict(hidden_act="gelu_new"))),
    "transformers, eps 1e-3": (tiny.hf, dict(vision=dict(layer_norm_eps=1e-3), text=dict(layer_norm_eps=1e-4))),
    "transformers, legacy EOS": (tiny.hf, dict(text=dict(eos_token_id=2))),
    "transformers, tokens beyond EOS": (tiny.hf, dict(text=dict(vocab_size=49500))),
    "transformers, tokens beyond legacy EOS": (tiny.hf, dict(text=dict(vocab_size=49500, eos_token_id=2))),
    "transformers, 336 px, patch 14": (tiny.hf, dict(image_size=336, patch_size=14, layers=2)),
    "transformers, towers of other sizes": (tiny.hf, dict(vision=dict(hidden_size=128, num_hidden_layers=4))),
}
EACH_LIBRARY = ["clip, patch 32", "open_clip, CustomTextCLIP", "transformers, QuickGELU"]


def make(name: str) -> nn.Module:
    function, options = MODELS[name]
    return function(**options)


@pytest.mark.parametrize("name", MODELS)
def test_features_are_the_librarys_own(name):
    model, size = make(name), MODELS[name][1].get("image_size", 64)
    size, patch = size if isinstance(size, tuple) else (size, size), MODELS[name][1].get("patch_size", 32)
    x, ids, clip = tiny.pixels(3, size), tiny.captions(), wrap(model)
    if clip.vocabulary > tiny.EOS + 1:
        ids[0][2] = clip.vocabulary - 1
    long = tiny.padded(ids)
    image, text = tiny.features(model, x, long)
    assert (clip.encode_image(x) - image).abs().max() < 1e-5 and image.abs().max() > 0.1
    assert (clip.encode_text(ids) - text).abs().max() < 1e-5 and text.abs().max() > 0.1
    assert clip.image.grid == (size[0] // patch, size[1] // patch) and clip.preprocess.size == size
    assert clip.image.scale == clip.text.scale == pytest.approx(model.logit_scale.exp().item(), rel=1e-6)
    vocabulary, positions = clip.text.parts["vocabulary"], clip.text.parts["positions"]
    assert torch.equal(clip.text.tokens(long[:, :9]), vocabulary[long[:, :9]] + positions[:9])


@pytest.mark.parametrize("name", EACH_LIBRARY)
def test_the_model_is_left_as_it_came(name):
    model, x, ids = make(name), tiny.pixels(2), tiny.padded(tiny.captions()[:2])
    model.train()
    next(model.parameters()).requires_grad_(False)
    attributes, before = state_of(model), tiny.features(model, x, ids)

    clip = wrap(model)
    h = clip.image.embed(x).requires_grad_()
    loss = clip.image.finish(h, 0, clip.image.at(x)).sum() + clip.text(ids).sum()
    loss.backward()
    assert h.grad.abs().sum() > 0
    assert state_of(model) == attributes
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(tiny.features(model, x, ids), before))

    owned = {p.untyped_storage().data_ptr() for p in model.parameters()}
    for tower in (clip.image, clip.text):
        for block in tower.blocks:
            for part in (block.q, block.k, block.v, block.out, block.fc1, block.fc2, block.norm1, block.norm2):
                assert part.weight.untyped_storage().data_ptr() in owned and not part.weight.requires_grad
    assert clip.text.parts["vocabulary"].untyped_storage().data_ptr() in owned


def state_of(model) -> list:
    """All that wrapping could have touched, module by module and parameter by parameter."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    modules = model.named_modules()
    return ([(n, m.training, type(m), [len(getattr(m, h)) for h in hooks], sorted(vars(m))) for n, m in modules]
            + [(n, p.requires_grad, p.data_ptr(), p._version) for n, p in model.named_parameters()])


@pytest.mark.parametrize("name", EACH_LIBRARY)
def test_bfloat16(name):
    model, x, ids = make(name), tiny.pixels(2), tiny.captions()
    full = wrap(model).encode_image(x), wrap(model).encode_text(ids)
    clip = wrap(model.to(torch.bfloat16))
    half = clip.encode_image(x), clip.encode_text(ids)
    for a, b in zip(half, full):
        assert a.dtype == torch.bfloat16 and a.isfinite().all()
        assert nn.functional.cosine_similarity(a.float(), b).min() > 0.99


@pytest.mark.parametrize("library, dtype", [("clip", torch.float16), ("open_clip", torch.bfloat16)])
def test_norms_kept_in_float32(library, dtype):
    """Half precision as the libraries themselves make it: matrices in half, norms and embeddings in float32."""
    import clip.model
    import open_clip

    model, x, ids = (tiny.openai() if library == "clip" else tiny.open_clip()), tiny.pixels(2), tiny.captions()
    full = wrap(model).encode_image(x), wrap(model).encode_text(ids)
    if library == "clip":
        clip.model.convert_weights(model)
    else:
        model = tiny.open_clip(cast_dtype=dtype)
        open_clip.convert_weights_to_lp(model, dtype)
    wrapped = wrap(model)
    half, own = (wrapped.encode_image(x), wrapped.encode_text(ids)), tiny.features(model, x.to(dtype), tiny.padded(ids))
    assert wrapped.text.dtype == dtype and wrapped.text.blocks[0].norm1.weight.dtype == torch.float32
    for a, b, c in zip(half, own, full):
        assert a.dtype == b.dtype == dtype
        for other in (b, c):
            assert nn.functional.cosine_similarity(a.float(), other.float()).min() > 0.999


@pytest.mark.parametrize("name", EACH_LIBRARY)
def test_trainable_towers_give_the_librarys_own_gradients(name):
    model, x, ids = make(name), tiny.pixels(2), tiny.padded(tiny.captions()[:2])
    image, text = LIBRARIES[library_of(model)].towers(model, lambda p: p)
    (image(x).square().sum() + text(ids).square().sum()).backward()
    ours = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    a, b = tiny.features(model, x, ids)
    (a.square().sum() + b.square().sum()).backward()
    own = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    assert ours.keys() <= own.keys() and len(own) > 50
    for n in own:  # a bias of the last keys moves all logits alike, so there it is not even computed
        assert (ours.get(n, torch.zeros(())) - own[n]).abs().max() < 1e-4 * max(1, own[n].abs().max()), n


def test_one_set_of_weights_is_one_answer_in_three_libraries():
    """The golden weights, made for transformers 4.46, carried to the other libraries; the published code's features."""
    golden = np.load(GOLDEN)
    rng = np.random.default_rng(2025)
    x, ids = torch.from_numpy(rng.standard_normal((4, 3, 224, 224)).astype(np.float32)), list(golden["input_ids"])
    model = tiny.hf(**tiny.GOLDEN, text=dict(eos_token_id=2, bos_token_id=0))
    state = tiny.openai_names(model.state_dict())
    others = tiny.openai(**tiny.GOLDEN), tiny.open_clip(**tiny.GOLDEN, quick_gelu=True)
    for other in others:
        other.load_state_dict(state)
    clips = [wrap(m) for m in (model, *others)]
    images, texts = [c.encode_image(x) for c in clips], [c.encode_text(ids) for c in clips]
    for image, text in zip(images, texts):
        assert np.abs(image.numpy() - golden["image_features"]).max() < 1e-4
        assert np.abs(text.numpy() - golden["text_features"]).max() < 1e-4
        assert (image - images[0]).abs().max() < 1e-5 and (text - texts[0]).abs().max() < 1e-5


def test_a_tokenizer_of_another_vocabulary():
    small = tiny.hf(text=dict(vocab_size=100, eos_token_id=99))
    with pytest.raises(ValueError) as error:
        wrap(small)
    assert "100 tokens" in sentence(error)
    words = Tokenizer(lambda text: [1, *map(len, text.split()), 99], str, 1, 99)
    assert wrap(small, tokenizer=words).encode_text(["a bb ccc"]).shape == (1, 32)
    with pytest.raises(ValueError) as error:  # pooled at id 2, which no caption of CLIP's vocabulary has
        wrap(tiny.open_clip(text=dict(pool_type="eos", eos_id=2)))
    assert "49407" in sentence(error)


# What cannot be wrapped

PLAIN = "inside its blocks"
UNWRAPPABLE = {  # name: (what makes the model, its options, what the sentence says)
    "clip, ResNet": (tiny.openai, dict(vision_layers=(1, 1, 1, 1)), "ModifiedResNet"),
    "open_clip, ResNet": (tiny.open_clip, dict(vision=dict(layers=[1, 1, 1, 1])), "ModifiedResNet"),
    "open_clip, average": (tiny.open_clip, dict(vision=dict(pool_type="avg")), "by 'avg'"),
    "open_clip, attentional pool": (
        tiny.open_clip, dict(vision=dict(attentional_pool=True, attn_pooler_heads=1)), "by attention"),
    "open_clip, not causal": (tiny.open_clip, dict(text=dict(no_causal_mask=True)), "not causal"),
    "open_clip, last token": (tiny.open_clip, dict(text=dict(pool_type="last")), "at their EOS"),
    "open_clip, class token": (tiny.open_clip, dict(custom_text=True, text=dict(embed_cls=True)), "class token"),
    "open_clip, q/k norm": (tiny.open_clip, dict(vision=dict(qk_norm=True)), PLAIN),
    "open_clip, norm in the attention": (tiny.open_clip, dict(vision=dict(scale_attn_inner=True)), PLAIN),
    "open_clip, norm after the attention": (tiny.open_clip, dict(text=dict(scale_attn=True)), PLAIN),
    "open_clip, norm in the MLP": (tiny.open_clip, dict(vision=dict(scale_fc=True)), PLAIN),
    "open_clip, scaled heads": (tiny.open_clip, dict(text=dict(scale_heads=True)), PLAIN),
    "open_clip, cosine attention": (tiny.open_clip, dict(text=dict(scaled_cosine_attn=True)), PLAIN),
    "open_clip, CoCa": (lambda: coca(), dict(), "CoCa also decodes"),
    "open_clip, text of transformers": (lambda: foreign_text(), dict(), "HFTextEncoder for its text tower"),
    "transformers, SigLIP": (lambda: hf_class("Siglip", "Model"), dict(), "SiglipModel"),
    "transformers, vision alone": (lambda: hf_class("CLIP", "VisionModel"), dict(), "CLIPVisionModel"),
}


def coca():
    from open_clip import CoCa

    vision, text = dict(attentional_pool=True, attn_pooler_heads=1), dict(embed_cls=True)
    return CoCa(multimodal_cfg=dict(width=64, heads=1, layers=1), **tiny.open_clip_config(vision=vision, text=text))


def hf_class(family: str, kind: str):
    import transformers

    config = getattr(transformers, f"{family}VisionConfig")(
        hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=1, image_size=32, patch_size=16)
    if kind == "Model":
        config = getattr(transformers, f"{family}Config")(vision_config=config.to_dict(), text_config=dict(
            hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=1, vocab_size=99))
    return getattr(transformers, family + kind)(config)


def foreign_text():
    """A CustomTextCLIP whose text tower is of transformers, without the hub that open_clip would ask for its config."""
    from open_clip.hf_model import HFTextEncoder

    model = tiny.open_clip(custom_text=True)
    model.text = HFTextEncoder.__new__(HFTextEncoder)
    nn.Module.__init__(model.text)
    return model


@pytest.mark.parametrize("name", UNWRAPPABLE)
def test_what_cannot_be_wrapped_says_why(name):
    function, options, says = UNWRAPPABLE[name]
    with pytest.raises(ValueError) as error:
        wrap(function(**options))
    assert says in sentence(error)


def test_what_is_no_clip_at_all():
    with pytest.raises(TypeError) as error:
        wrap(nn.Linear(2, 2))
    assert "torch.nn.modules.linear.Linear" in sentence(error)


# Loading

@pytest.mark.parametrize("spec", [
    "{}/state.pt", "{}/training.pt", "{}/state.safetensors", "{}/archive.pt", "hf:{}/hf",
    "open_clip:local-dir:{}/open_clip", "open_clip:ViT-T-32-quickgelu@{}/state.pt",
    "open_clip:ViT-T/32-quickgelu@{}/open_clip/open_clip_model.safetensors"])
def test_local_files(files, arch, spec):
    spec = spec.format(files["root"])
    clip = load_clip(spec, device="cpu")
    check(clip, files)
    assert clip.name == spec and not clip.model.training
    assert load_clip(spec, device="cpu", dtype=torch.bfloat16).dtype == torch.bfloat16


@pytest.mark.parametrize("package, spec, install", [
    ("clip", "ViT-B/32", "pip install clip-anytorch"),
    ("open_clip", "open_clip:ViT-B-32@openai", "pip install open_clip_torch"),
    ("transformers", "hf:some/model", "pip install transformers")])
def test_packages_that_are_not_installed(monkeypatch, package, spec, install):
    monkeypatch.setitem(sys.modules, package, None)
    raises(ImportError, spec, install)


@pytest.mark.parametrize("device", ["bogus", "cuda:99", "meta", -7, ["cpu"], "cpu:x"], ids=str)
def test_devices_that_are_not_here(device):
    with pytest.raises(ValueError) as error:
        load_clip("mini", device=device)
    assert "device is" in sentence(error) and "pass 'cpu'" in sentence(error)


@pytest.mark.parametrize("library", ["", "hf:", "open_clip:ViT-B-32@", "open_clip:local-dir:"])
@pytest.mark.parametrize("name", ["a" * 300 + ".pt", "a/" * 300, "a\0b.pt", "a\nb"], ids=["long", "deep", "null", "line"])
def test_names_that_no_file_has(library, name):
    raises(ValueError, library + name, "is no model's name")


@pytest.mark.parametrize("name", ["", "  ", None, 3, "x" * 200 + ".pt", "~nobody/x.pt", "hf:", "open_clip:", ":", "/"], ids=str)
def test_names_of_nothing(name):
    with pytest.raises((ValueError, TypeError, FileNotFoundError)) as error:
        load_clip(name, device="cpu")
    sentence(error)
