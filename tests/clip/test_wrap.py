"""Wrapped models give their library's own features and are left as they came; what cannot be wrapped says why."""
import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from nib_utils.clip import from_open_clip as open_clip_clip
from nib_utils.clip.captions import EOS, SOS, Tokenizer, clip_bpe
from nib_utils.clip.clip import LIBRARIES, library_of, load_clip, wrap
from nib_utils.clip.pictures import Preprocess

GOLDEN = Path(__file__).parents[1] / "golden" / "reference_outputs.npz"

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


def sentence(error) -> str:
    """The message of an error, which has to be one sentence on one line."""
    text = str(error.value)
    assert text.endswith((".", "?")) and "\n" not in text and len(text) < 900 and "weights_only" not in text, text
    return text


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


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_implementation_does_not_matter(attention):
    model, x, ids = tiny.hf(), tiny.pixels(2), tiny.captions()
    model.set_attn_implementation(attention)
    image, text = tiny.features(model, x, tiny.padded(ids))
    assert (wrap(model).encode_image(x) - image).abs().max() < 1e-5
    assert (wrap(model).encode_text(ids) - text).abs().max() < 1e-5


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


# Pictures and words

def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size, config", [
    ((64, 64), dict()), ((64, 64), dict(resize_mode="squash")),
    ((64, 96), dict()), ((64, 96), dict(resize_mode="squash")),
    ((64, 64), dict(interpolation="bilinear", mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)))], ids=str)
def test_pixels_are_open_clips_own(size, config):
    from dataclasses import asdict

    from open_clip import set_model_preprocess_cfg
    from open_clip.transform import PreprocessCfg, image_transform_v2

    model, config = tiny.open_clip(image_size=size), PreprocessCfg(size=size, **config)
    set_model_preprocess_cfg(model, asdict(config))
    clip, own = wrap(model), image_transform_v2(config, is_train=False)
    for image in (picture(200, 131), picture(50, 120)):
        assert (clip.preprocess(image) - own(image)).abs().max() < 1e-5


def test_resizing_nobody_knows():
    from open_clip import set_model_preprocess_cfg

    model = tiny.open_clip()
    set_model_preprocess_cfg(model, dict(size=64, mean=(0, 0, 0), std=(1, 1, 1), resize_mode="longest"))
    with pytest.raises(ValueError) as error:
        wrap(model)
    assert "'longest'" in sentence(error)
    assert wrap(model, preprocess=Preprocess((64, 64))).preprocess.size == (64, 64)


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


def test_an_adapter_is_not_taken_for_its_base_layer():
    class Adapted(nn.Module):  # as peft does: the base layer's weight under the old name, and something added to it
        def __init__(self, base):
            super().__init__()
            self.weight, self.bias = base.weight, base.bias

        def forward(self, x):
            return nn.functional.linear(x, self.weight, self.bias) + x

    model = tiny.hf()
    attention = model.text_model.encoder.layers[0].self_attn
    attention.q_proj = Adapted(attention.q_proj)
    with pytest.raises(ValueError) as error:
        wrap(model)
    assert "merge adapters" in sentence(error)


# Loading

@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One set of weights in every form that load_clip reads, and its features."""
    root = tmp_path_factory.mktemp("weights")
    model = tiny.hf(heads=1)
    state = tiny.openai_names(model.state_dict())
    torch.save(state, root / "state.pt")
    torch.save({"epoch": 3, "state_dict": state}, root / "training.pt")
    save_file(state, root / "state.safetensors")
    archive(state, root / "archive.pt")
    model.save_pretrained(root / "hf")
    folder = root / "open_clip"
    folder.mkdir()
    config = dict(model_cfg=tiny.open_clip_config(heads=1, quick_gelu=True),
                  preprocess_cfg=dict(mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25], interpolation="bilinear"))
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(state, folder / "open_clip_model.safetensors")
    return dict(root=root, state=state, config=config["model_cfg"],
                features=tiny.features(model, tiny.pixels(2), tiny.padded(tiny.captions())))


def archive(state, file):
    """Weights as OpenAI publishes them: a TorchScript archive that also holds three numbers."""
    model = tiny.openai()
    model.load_state_dict(state)
    for name, value in (("input_resolution", 64), ("context_length", 77), ("vocab_size", 49408)):
        vars(model).pop(name, None)
        model.register_buffer(name, torch.tensor(value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated, and OpenAI's files are traced
        torch.jit.trace(model, (tiny.pixels(1), tiny.padded(tiny.captions()[:1])), check_trace=False).save(str(file))


@pytest.fixture
def arch(files, monkeypatch):
    """The name under which open_clip knows the tiny architecture, with GELU, as long as a test runs."""
    from open_clip import factory

    monkeypatch.setitem(factory._MODEL_CONFIGS, "ViT-T-32", files["config"] | dict(quick_gelu=False))
    monkeypatch.setitem(factory._MODEL_CONFIGS, "ViT-T-32-quickgelu", files["config"])
    return "ViT-T-32"


def check(clip, files):
    for got, want in zip((clip.encode_image(tiny.pixels(2)), clip.encode_text(tiny.captions())), files["features"]):
        assert got.dtype == torch.float32 and (got - want).abs().max() < 1e-5


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


def test_open_clips_own_pixel_statistics(files):
    clip = load_clip(f"open_clip:local-dir:{files['root']}/open_clip", device="cpu")
    assert clip.preprocess == Preprocess((64, 64), (0.5,) * 3, (0.25,) * 3, False, Image.Resampling.BILINEAR)


def test_a_published_tag_brings_its_activation(files, arch, monkeypatch):
    """open_clip builds what ARCH says, and OpenAI's weights then give wrong numbers; here the tag decides."""
    from open_clip import pretrained

    tag = pretrained._pcfg() | dict(file=str(files["root"] / "state.pt"))
    monkeypatch.setitem(pretrained._PRETRAINED, arch, dict(quick=tag | dict(quick_gelu=True), plain=tag))
    with pytest.warns(UserWarning, match="trained with QuickGELU"):
        check(load_clip(f"open_clip:{arch}@quick", device="cpu"), files)
    gelu = load_clip(f"open_clip:{arch}@plain", device="cpu").encode_image(tiny.pixels(2))
    assert (gelu - files["features"][0]).abs().max() > 1e-3


def write_tokenizer(folder):
    """CLIP's vocabulary in the files of transformers."""
    from clip.simple_tokenizer import SimpleTokenizer

    bpe = SimpleTokenizer()
    (folder / "vocab.json").write_text(json.dumps(bpe.encoder))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, bpe.bpe_ranks)]))
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(
        tokenizer_class="CLIPTokenizer", bos_token="<|startoftext|>", eos_token="<|endoftext|>",
        unk_token="<|endoftext|>", pad_token="<|endoftext|>")))


def test_a_hub_folder_with_its_own_words_and_pictures(files, tmp_path):
    folder = copy(files["root"] / "hf", tmp_path / "hf")
    write_tokenizer(folder)
    processor = dict(size={"height": 64, "width": 64}, image_mean=[0.1, 0.2, 0.3], image_std=[1, 1, 1], resample=2)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    clip, text = load_clip(f"hf:{folder}", device="cpu"), "A photo of a Cat's hat, unbelievably 12!"
    assert clip.tokenizer.encode(text) == clip_bpe().encode(text)
    words = clip.tokenizer.words(clip.tokenizer.encode(text))
    assert words == clip_bpe().words(clip_bpe().encode(text)) and words[0] == SOS and words[-1] == EOS
    assert clip.preprocess == Preprocess((64, 64), (0.1, 0.2, 0.3), (1, 1, 1), True, Image.Resampling.BILINEAR)

    (folder / "preprocessor_config.json").unlink()  # the same as transformers 5 writes it
    processor = dict(image_processor=processor | dict(size={"shortest_edge": 80}))
    (folder / "processor_config.json").write_text(json.dumps(processor))
    with pytest.warns(UserWarning, match="to 80 before it crops 64"):
        assert not load_clip(f"hf:{folder}", device="cpu").preprocess.squash


def test_an_open_clip_folder_with_its_own_words(files, tmp_path):
    folder, text = copy(files["root"] / "open_clip", tmp_path / "open_clip"), "a  Cat's hat"
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "some/words"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    raises(FileNotFoundError, f"open_clip:local-dir:{folder}", "some/words")
    write_tokenizer(folder)
    tokenizer = load_clip(f"open_clip:local-dir:{folder}", device="cpu").tokenizer
    assert tokenizer != clip_bpe() and tokenizer.encode(text) == clip_bpe().encode(text)
    with pytest.raises(FileNotFoundError) as error:
        open_clip_clip.own_tokenizer(pytest.importorskip("open_clip"), "ViT-H-14-worldwide")
    assert "facebook/xlm-v-base" in sentence(error)


def copy(source, target):
    return Path(shutil.copytree(source, target))


def test_a_checkpoint_that_lacks_a_parameter(files, tmp_path):
    folder = copy(files["root"] / "hf", tmp_path / "hf")
    state = load_file(folder / "model.safetensors")
    del state["text_model.final_layer_norm.bias"]
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    raises(ValueError, f"hf:{folder}", "lack parameters", "(1, the first is text_model.final_layer_norm.bias)")
    state["text_model.final_layer_norm.bias"] = torch.zeros(3)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    raises(ValueError, f"hf:{folder}", "another shape (1, the first is text_model.final_layer_norm.bias)")


def raises(kind, spec: str, *says: str):
    with pytest.raises(kind) as error:
        load_clip(spec, device="cpu")
    text = sentence(error)
    for part in says:
        assert part in text, text


def test_names_nobody_knows(files, arch):
    raises(ValueError, "ViT-Z/99", "no model is called 'ViT-Z/99'", "'mini'", "ViT-B/32", "open_clip:ARCH@TAG_OR_FILE")
    raises(ValueError, "open_clip:ViT-B-23@openai", "'ViT-B-23'", "ViT-B-32")
    raises(ValueError, "open_clip:ViT-B-32", "no published weights ''", "laion2b_s34b_b79k")
    raises(ValueError, "open_clip:ViT-B-32@nonsense", "'nonsense'", "openai")
    raises(ValueError, f"open_clip:ViT-B-32@{files['root']}/state.pt", "belong to the architecture")


def test_weights_that_are_not_here(tmp_path, files, arch, monkeypatch):
    from huggingface_hub.constants import HF_HUB_CACHE

    for spec in ("{}/no.pt", "{}/no.safetensors", "open_clip:ViT-T-32@{}/no.pt"):
        raises(FileNotFoundError, spec.format(tmp_path), str(tmp_path), "load_clip('mini')")
    raises(FileNotFoundError, "open_clip:ViT-B-32@openai", HF_HUB_CACHE, "load_clip('mini')", "local file")
    raises(FileNotFoundError, "hf:nobody/nothing", HF_HUB_CACHE, "load_clip('mini')", "folder")
    raises(FileNotFoundError, f"hf:{tmp_path}/nothing", f"{tmp_path}/nothing", "load_clip('mini')")
    raises(FileNotFoundError, f"hf:{tmp_path}", "config.json", "load_clip('mini')")
    raises(FileNotFoundError, f"open_clip:local-dir:{tmp_path}/nothing", "open_clip_config.json", "load_clip('mini')")
    folder = copy(files["root"] / "open_clip", tmp_path / "open_clip")
    (folder / "open_clip_model.safetensors").unlink()
    raises(FileNotFoundError, f"open_clip:local-dir:{folder}", "weights", str(folder))
    folder = copy(files["root"] / "hf", tmp_path / "hf")
    (folder / "model.safetensors").unlink()
    raises(FileNotFoundError, f"hf:{folder}", "weights", str(folder))


def test_a_published_model_without_a_network(tmp_path, monkeypatch):
    from clip import clip

    def offline(url, folder):
        raise OSError("no route")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(clip, "_download", offline)
    raises(FileNotFoundError, "ViT-B/32", f"{tmp_path}/.cache/clip/ViT-B-32.pt", "no route", "load_clip('mini')")


def test_corrupt_files(tmp_path, files, arch):
    for name in ("bad.pt", "bad.safetensors"):
        (tmp_path / name).write_bytes(b"nothing of a checkpoint" * 10)
        raises(ValueError, f"{tmp_path}/{name}", "not a readable checkpoint", name)
        raises(ValueError, f"open_clip:ViT-T-32@{tmp_path}/{name}", "does not load", name)
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pt")
    raises(ValueError, f"{tmp_path}/other.pt", "not the state dict of an OpenAI CLIP")
    torch.save([1, 2], tmp_path / "list.pt")
    raises(ValueError, f"{tmp_path}/list.pt", "something other than a state dict")
    torch.save(files["state"] | {"visual.proj": torch.zeros(3, 3)}, tmp_path / "shapes.pt")
    raises(ValueError, f"{tmp_path}/shapes.pt", "not the state dict of an OpenAI CLIP")
    for name in ("model.safetensors", "pytorch_model.bin"):
        folder = copy(files["root"] / "hf", tmp_path / name)
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(b"nothing of a checkpoint" * 10)
        raises(ValueError, f"hf:{folder}", "do not load")
    (folder / "config.json").write_text("{")
    raises(ValueError, f"hf:{folder}", "not JSON")
    (folder / "config.json").write_text(json.dumps(dict(model_type="siglip")))
    raises(ValueError, f"hf:{folder}", "'siglip'")
    folder = copy(files["root"] / "open_clip", tmp_path / "open_clip")
    (folder / "open_clip_config.json").write_text("{}")
    raises(ValueError, f"open_clip:local-dir:{folder}", "does not load", "model_cfg")


@pytest.mark.parametrize("package, spec, install", [
    ("clip", "ViT-B/32", "pip install clip-anytorch"),
    ("open_clip", "open_clip:ViT-B-32@openai", "pip install open_clip_torch"),
    ("transformers", "hf:some/model", "pip install transformers")])
def test_packages_that_are_not_installed(monkeypatch, package, spec, install):
    monkeypatch.setitem(sys.modules, package, None)
    raises(ImportError, spec, install)
