"""What a model has to predict: equal to the library where there is one, and nothing lost where there is none."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import DataCollatorForLanguageModeling

from fullstack_llm.pretraining import objectives
from fullstack_llm.tokenization import course_tokenizer


def rows(count: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(3, 512, (count, length), generator=torch.Generator().manual_seed(seed))


def test_the_next_token_of_what_is_counted():
    ids = rows(3, 7)
    counted = torch.rand(3, 7, generator=torch.Generator().manual_seed(1)) < 0.5
    example = objectives.next_token(ids, counted)
    logits = torch.randn(3, 6, 512, generator=torch.Generator().manual_seed(2))
    by_hand = [
        -logits[b, t].log_softmax(-1)[ids[b, t + 1]].item() for b in range(3) for t in range(6) if counted[b, t + 1]
    ]
    assert len(by_hand) not in (0, 18)
    assert objectives.mean_loss(logits, example.targets).item() == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-5)


def test_nothing_counted_is_zero_with_a_gradient_of_zero():
    logits = torch.randn(1, 3, 5, requires_grad=True)
    ignored = torch.full((1, 3), objectives.IGNORE)
    loss = objectives.mean_loss(logits, ignored)
    loss.backward()
    assert loss.item() == 0.0 and not logits.grad.any()
    assert math.isnan(cross_entropy(logits.flatten(0, 1), ignored.flatten()).item()), "the control: the library's mean"


@pytest.mark.parametrize("seed", range(3))
def test_masked_as_the_library_masks(seed):
    words = course_tokenizer.load()
    words.mask_token = words.pad_token
    theirs = DataCollatorForLanguageModeling(words, mlm=True)
    theirs.generator = torch.Generator().manual_seed(seed)
    ids, special = rows(8, 61, seed), rows(8, 61, seed + 10) < 30
    wanted = theirs.torch_mask_tokens(ids.clone(), special.clone())
    mine = objectives.masked(ids, words.mask_token_id, len(words), torch.Generator().manual_seed(seed), special)
    assert torch.equal(mine.inputs, wanted[0]) and torch.equal(mine.targets, wanted[1])
    other = objectives.masked(ids, words.mask_token_id, len(words), torch.Generator().manual_seed(seed + 1), special)
    assert not torch.equal(other.inputs, mine.inputs)


@pytest.mark.parametrize("length", [2, 3, 11, 64, 257])
@pytest.mark.parametrize("density, mean_span", [(0.15, 3.0), (0.5, 2.0), (0.15, 1.0)])
def test_spans_come_back(length, density, mean_span):
    dice, seen = torch.Generator().manual_seed(length), set()
    for _ in range(20):
        ids = rows(1, length, length)[0]
        cut = objectives.noise_spans(length, density, mean_span, dice)
        noise = min(max(round(length * density), 1), length - 1)
        begins = (cut & ~torch.cat([torch.tensor([False]), cut[:-1]])).sum().item()
        assert len(cut) == length and cut.sum() == noise and not cut[0]
        assert begins == min(max(round(noise / mean_span), 1), length - noise)
        example = objectives.span_corruption(ids, cut, sentinel=1000, end=2)
        assert len(example.inputs) == length - noise + begins + 1
        assert len(example.targets) == noise + begins + 1
        pieces, spans = [], example.targets[:-1].tolist()
        for i in spans:
            if i >= 1000:
                pieces.append([])
            else:
                pieces[-1].append(i)
        back = [t for i in example.inputs[:-1].tolist() for t in (pieces[i - 1000] if i >= 1000 else [i])]
        assert back == ids.tolist()
        seen.add(tuple(cut.tolist()))
    assert (len(seen) > 1) == (begins > 1), "a single span is always the text's end"


def test_each_way_to_cut_is_equally_likely():
    dice, counts = torch.Generator().manual_seed(0), {}
    for _ in range(3000):
        cut = tuple(objectives.noise_spans(7, 0.43, 1.5, dice).tolist())
        counts[cut] = counts.get(cut, 0) + 1
    # Three tokens in two spans, four kept in two parts: 2 · 3 ways.
    assert len(counts) == 6
    assert all(abs(found - 500) < 5 * (3000 * 1 / 6 * 5 / 6) ** 0.5 for found in counts.values())


def test_bits_per_byte_of_a_fair_coin():
    assert objectives.bits_per_byte(math.log(2), tokens=80, data=bytes(10)) == pytest.approx(8.0)
