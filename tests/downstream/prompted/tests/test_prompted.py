"""The project's own tests."""

import pytest
from prompted import continued, tuned


@pytest.fixture
def model():
    transformers = pytest.importorskip("transformers")
    config = transformers.BloomConfig(vocab_size=64, hidden_size=16, n_layer=2, n_head=2)
    return transformers.BloomForCausalLM(config).eval()


def test_a_tuned_model_generates(model):
    import torch

    ids = torch.tensor([[5, 6, 7]])
    assert continued(tuned(model), ids).shape[-1] > 3


@pytest.mark.compatcheck("peft>=0.13")
def test_needs_a_newer_peft(model):
    assert tuned(model).peft_config
