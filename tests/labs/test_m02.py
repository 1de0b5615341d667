"""Hold lab 02 against the package, PyTorch's layers and its samplers, and its text against the truth."""

import math
from random import Random

import torch
from torch import nn

from fullstack_llm.labs.m02_sequence_models.diagnose import diagnose, distinct, run
from fullstack_llm.labs.m02_sequence_models.drawn_tokens import drawn_tokens
from fullstack_llm.labs.m02_sequence_models.inputs import normal, text
from fullstack_llm.labs.m02_sequence_models.lstm_step import lstm_step
from fullstack_llm.labs.m02_sequence_models.padded_perplexity import batch, padded_perplexity
from fullstack_llm.labs.m02_sequence_models.scan_rounds import recurrence, scan_rounds
from fullstack_llm.labs.m02_sequence_models.trigram_probabilities import trigram_probabilities
from fullstack_llm.labs.m02_sequence_models.truncated_gradients import network, truncated_gradients
from fullstack_llm.recurrence.ngrams import backoff, count
from fullstack_llm.recurrence.scan import loop


def test_a_table_of_one_document_is_that_of_the_package() -> None:
    row = text(Random(0), 300, 5)
    table = count(torch.tensor(row), order=3, size=6)
    for context in ([1, 0], [2, 4], [0, 5], row[7:9]):
        theirs = backoff(0.4)(table, tuple(context))
        mine = trigram_probabilities([row], 6, context, 0.4)
        torch.testing.assert_close(mine, torch.tensor(theirs).float())
        assert math.isclose(mine.sum().item(), 1, rel_tol=1e-5)
    # The control: two documents are not one, where a pair stands at the seam.
    assert not torch.equal(
        trigram_probabilities([row[:50], row[50:]], 6, row[49:51], 0.4),
        trigram_probabilities([row], 6, row[49:51], 0.4),
    )


def test_padding_changes_nothing() -> None:
    logits, ids, lengths, side, characters = batch(Random(1), [5, 2, 4], 6, "left")
    found = padded_perplexity(logits, ids, lengths, side, characters)
    alone = [
        padded_perplexity(logits[b : b + 1, -n:], ids[b : b + 1, -n:], [n], "right", [1])["perplexity"]
        for b, n in enumerate(lengths)
    ]
    assert all(map(math.isclose, found["rows"], alone))
    noise = torch.where(torch.arange(6)[None, :, None] < 6 - torch.tensor(lengths)[:, None, None], 9.0, 0.0)
    assert math.isclose(
        padded_perplexity(logits + noise * normal(Random(2), 7), ids, lengths, side, characters)["perplexity"],
        found["perplexity"],
    )
    # The control, and what the text says of means: with rows of one length the mean of perplexities lies above.
    same = padded_perplexity(*batch(Random(3), [5, 5, 5], 5, "right"))
    assert sum(same["rows"]) / 3 > same["perplexity"] > min(same["rows"])


def test_steps_of_an_lstm_are_a_layer_over_a_packed_batch() -> None:
    draw, lengths = Random(4), [4, 2, 3]
    layer = nn.LSTM(3, 5, batch_first=True)
    xs = normal(draw, 3, 4, 3)
    packed = nn.utils.rnn.pack_padded_sequence(xs, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    _, (h, c) = layer(packed)
    W = torch.cat([layer.weight_ih_l0, layer.weight_hh_l0], 1).T.detach()
    b = (layer.bias_ih_l0 + layer.bias_hh_l0).detach()
    state = torch.zeros(3, 5), torch.zeros(3, 5)
    for t in range(4):
        state = lstm_step(xs[:, t], *state, W, b, "ifgo", 0.0, torch.tensor(lengths) > t)
    torch.testing.assert_close(state[0], h[0].detach())
    torch.testing.assert_close(state[1], c[0].detach())
    # What the text says of a gate whose bias is 3.
    assert round(100 * torch.tensor(3.0).sigmoid().item() ** 100, 1) == 0.8


def test_a_window_as_long_as_the_row_is_the_whole_gradient() -> None:
    xs, targets, h, W_x, W_h, w_o, _ = network(Random(5), 8, 0)
    layer = nn.RNN(2, 3, bias=False)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(W_x)
        layer.weight_hh_l0.copy_(W_h)
    outputs, last = layer(xs[:, None], h[None, None])
    loss = ((outputs[:, 0] @ w_o - targets) ** 2).mean()
    loss.backward()
    whole = truncated_gradients(xs, targets, h, W_x, W_h, w_o, 8)
    torch.testing.assert_close(whole["W_h"], layer.weight_hh_l0.grad)
    torch.testing.assert_close(whole["W_x"], layer.weight_ih_l0.grad)
    torch.testing.assert_close(whole["state"], last[0, 0].detach())
    # The control, and the prediction of the text: a cut changes two of three gradients, and no loss.
    cut = truncated_gradients(xs, targets, h, W_x, W_h, w_o, 2)
    assert not torch.allclose(cut["W_h"], whole["W_h"], rtol=0.01)
    torch.testing.assert_close(cut["w_o"], whole["w_o"])
    assert math.isclose(cut["loss"], whole["loss"], rel_tol=1e-5)


def test_tokens_are_drawn_as_often_as_they_should() -> None:
    # Equal steps on the line: each token comes as often as its share says, to within one step.
    table, steps = normal(Random(6), 1, 5).repeat(5, 1), 2_000
    numbers = [(step + 0.5) / steps for step in range(steps)]
    drawn = torch.tensor(drawn_tokens(table, 0, 0.7, numbers, 99))
    shares = torch.bincount(drawn, minlength=5) / steps
    torch.testing.assert_close(shares, (table[0] / 0.7).softmax(0), atol=1 / steps, rtol=0)
    # The control: at another temperature they are others.
    assert (shares - table[0].softmax(0)).abs().max() > 0.02


def test_a_scan_is_the_loop() -> None:
    a, b, h, _, _ = recurrence(Random(7), 37, 3, 0)
    _, _, states = scan_rounds(a, b, torch.zeros(3), [], 6)
    torch.testing.assert_close(states, loop(a, b))
    # A sequence that begins in the middle does not know what came before, and the state does.
    _, _, fresh = scan_rounds(a, b, h, [20], 6)
    torch.testing.assert_close(fresh[20:], loop(a[20:], b[20:]))
    assert not torch.allclose(fresh[:5], states[:5])


def test_a_leak_is_told_by_its_state() -> None:
    causes = [["fresh", "fresh"], ["carried", "from 0"]]
    batches, padding, ends, table, W_h = distinct(Random(8), [[2, 3], [3, 2]], causes)
    told = diagnose(batches, padding, ends, table, W_h)
    assert told["causes"] == causes and told["leaks"] == [0, 1]
    torch.testing.assert_close(ends[1, 0], run(ends[0, 0], batches[1][0], table, W_h))
    # The control: a run without a leak has none.
    assert diagnose(batches, padding, told["clean"], table, W_h)["leaks"] == []
