"""A classifier of transformers, with the batches of its own collators."""

import pytest
import torch

from canonic import CSS, convert, evaluate
from canonic.report.explorer import explore

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = transformers.BertConfig(vocab_size=20, max_position_embeddings=8, num_labels=3, **sizes)
    return transformers.BertForSequenceClassification(config)  # in training mode, as it is made


@pytest.fixture(scope="module")
def batches():
    """Batches as a DataLoader gives them: token ids, a mask, labels, and what the model does not take."""
    random = torch.Generator().manual_seed(0)
    samples = [
        {
            "input_ids": torch.randint(0, 20, (6,), generator=random).tolist(),
            "attention_mask": [1, 1, 1, 1, index % 2, index % 2],
            "label": index % 3,
            "length": 6,
        }
        for index in range(24)
    ]
    return [transformers.default_data_collator(samples[start : start + 12]) for start in (0, 12)]


@pytest.fixture(scope="module")
def snn(model, batches):
    return convert(model, batches, code=CSS(steps=8, silent=2), progress=False)


def test_it_answers_as_the_model_does_in_its_own_class(snn, model, batches):
    given = {name: batches[0][name] for name in ("input_ids", "attention_mask")}
    assert snn.graph.inputs == ("input_ids", "attention_mask")
    with torch.no_grad():
        wanted = model.eval()(**given).logits
    found = snn(**given)
    assert type(found) is transformers.modeling_outputs.SequenceClassifierOutput
    assert torch.allclose(snn.source(**given).logits, wanted, atol=1e-6)
    assert (found.logits - wanted).norm() < 0.05 * wanted.norm()
    assert snn.record["notes"][-1] == (
        "the batches hold length, which the model was not given: its inputs are input_ids, attention_mask"
    )


def test_it_is_verified_and_evaluated_with_the_same_batches(snn, model, batches):
    assert list(snn.verify(batches, progress=False).outputs) == ["logits"]
    found = evaluate(snn, batches, reference=model.eval(), progress=False)
    y = torch.cat([batch["labels"] for batch in batches])
    answers = torch.cat([snn(batch).logits.argmax(1) for batch in batches])
    assert found.accuracy == pytest.approx(float((answers == y).double().mean()))
    assert (found.output, found.samples, found.task) == ("logits", 24, "classification")
    assert snn.answer(batches[0], stop_when=0.0).steps.tolist() == [snn.total_steps - 7] * 12


def test_its_samples_are_shown(snn, batches):
    sample = {name: values[0] for name, values in batches[0].items()}
    (shown,) = explore(snn, [sample]).samples
    assert shown.label == 0
    ids = " ".join(map(str, sample["input_ids"].tolist()))
    assert shown.picture.note == f"input_ids, one of 2 inputs; its numbers: {ids}"
