"""What the libraries' models are made of."""
import pytest
import tiny
from torch import nn
from weights import sentence

from nib_utils.loading.live.wrap import wrap


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
