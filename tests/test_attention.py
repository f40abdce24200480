"""Maps from attention, on tiny vision transformers: against torchcam, by hand, and refused elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchcam.methods import LeGrad
from torchvision.models import VisionTransformer

from samp_core.attribution import UnsupportedError
from samp_core.methods import METHODS
from tests.test_library_methods import Tokens, classifier, conv_net, maps, start
from tests.test_paths import assert_same_state, state_of

ATTENTION = [name for name, method in METHODS.items() if method.family == "Attention"]
TARGET = [1, 3]
every_method = pytest.mark.parametrize("name", ATTENTION)


@pytest.fixture
def vit() -> VisionTransformer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = VisionTransformer(
            image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5
        )
        nn.init.normal_(network.heads.head.weight)  # torchvision begins with zeros
    return network.eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(5))


def test_both_are_there():
    assert ATTENTION == ["legrad", "rollout"]


@every_method
def test_map_is_finite_and_everything_else_as_it_was(name, vit, images):
    vit.train()
    before, kept = state_of(vit), images.clone()
    run = start(classifier(vit), name, images, TARGET)
    before = state_of(vit)
    progress = list(run)
    result = run.result()
    assert result.finished
    assert result.attributions.isfinite().all()
    assert result.attributions.min() >= 0
    assert result.attributions.sum() > 0
    assert progress[-1] == 1
    assert_same_state(before, vit)
    assert not any(m._forward_pre_hooks for m in vit.modules())
    assert torch.equal(images, kept)
    cost = result.cost
    assert (cost.gradients, cost.forwards) == ((2, 0) if name == "legrad" else (0, 2))


@every_method
def test_batch_equals_one_at_a_time_on_a_prepared_network(name, vit, images):
    who = classifier(vit)
    together = maps(who, name, images, TARGET)
    for n in range(2):
        alone = maps(who.prepare(), name, images[n : n + 1], TARGET[n])
        torch.testing.assert_close(together[n : n + 1], alone, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(maps(who, name, images, TARGET, batch_size=1), together, rtol=1e-4, atol=1e-7)


def attention_by_hand(vit: VisionTransformer, images: torch.Tensor) -> list[torch.Tensor]:
    """Return each layer's attention, head by head, from its weights."""
    x = vit._process_input(images)
    x = torch.cat([vit.class_token.expand(len(x), -1, -1), x], 1) + vit.encoder.pos_embedding
    found = []
    for block in vit.encoder.layers:
        own = block.self_attention
        q, k, _ = nn.functional.linear(block.ln_1(x), own.in_proj_weight, own.in_proj_bias).chunk(3, -1)
        q, k = (t.unflatten(-1, (2, 8)).transpose(1, 2) for t in (q, k))
        found.append((q @ k.transpose(-1, -2) / 8**0.5).softmax(-1))
        x = block(x)
    return found


def test_rollout_is_the_product_of_the_layers(vit, images):
    with torch.no_grad():
        first, second = (a.mean(1) / 2 + torch.eye(17) / 2 for a in attention_by_hand(vit, images))
    small = (second @ first)[:, 0, 1:].view(2, 1, 4, 4)
    expected = nn.functional.interpolate(small, (32, 32), mode="bilinear")
    ours = maps(classifier(vit), "rollout", images, TARGET).sum(1, keepdim=True)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(maps(classifier(vit), "rollout", images, [0, 0]).sum(1, keepdim=True), ours)


def test_rollout_without_a_class_token_is_the_mean_of_all_rows(images):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = Tokens().eval()
    made = maps(classifier(network), "rollout", images, TARGET).sum(1)
    with torch.no_grad():
        tokens = network.norm(network.patches(images).flatten(2).transpose(1, 2))
        attention = network.attention(tokens, tokens, tokens)[1] / 2 + torch.eye(16) / 2
    small = attention.mean(1).view(2, 1, 4, 4)
    expected = nn.functional.interpolate(small, (32, 32), mode="bilinear").squeeze(1)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("blocks", [1, 2])
def test_legrad_is_torchcams(blocks, vit, images):
    with LeGrad(vit, list(vit.encoder.layers)[-blocks:]) as extractor:
        vit(images.clone().requires_grad_())
        (small,) = extractor(TARGET, normalized=False)
    expected = nn.functional.interpolate(small.unsqueeze(1), (32, 32), mode="bilinear")
    ours = maps(classifier(vit), "legrad", images, TARGET, options={"blocks": blocks})
    torch.testing.assert_close(ours.sum(1, keepdim=True), expected)
    assert maps(classifier(vit), "legrad", images, TARGET, options={"blocks": 50}).sum() > 0


def test_legrad_explains_the_score_that_was_asked_for(vit, images):
    who = classifier(vit)
    logit = maps(who, "legrad", images, 1)
    assert not torch.allclose(maps(who, "legrad", images, 1, score="probability"), logit)
    assert not torch.allclose(maps(who, "legrad", images, 1, target=1, contrast=4), logit)


@every_method
def test_others_are_refused_in_words(name, images):
    with pytest.raises(UnsupportedError, match=r"needs a transformer.*this network is none\. Choose Grad-CAM"):
        maps(classifier(conv_net()), name, images)


def test_transformers_of_another_build(images):
    with pytest.raises(UnsupportedError, match="built as torchvision's vit_b_16"):
        maps(classifier(Tokens()), "legrad", images)

    class Pooled(Tokens):
        def forward(self, x):
            tokens = self.norm(self.patches(x).flatten(2).transpose(1, 2))[:, :3]
            return self.head((tokens + self.attention(tokens, tokens, tokens)[0]).mean(1))

    with pytest.raises(UnsupportedError, match=r"one for each patch of a grid .* and this network has 3"):
        maps(classifier(Pooled()), "rollout", images)
