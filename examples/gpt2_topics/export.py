"""From a trained model to an ONNX file that carries its own tokenizer and the facts of its training."""

import json
from pathlib import Path

import onnx
import onnxruntime
import torch
from data import CHARACTERS
from model import GPT2

OPSET = 17


def export(model: GPT2, path: Path, training: dict) -> None:
    """Write the model with PyTorch's TorchScript exporter; any batch, any length up to the context."""
    model.eval()
    torch.onnx.export(
        model,
        (torch.zeros(2, 8, dtype=torch.int64),),
        str(path),
        dynamo=False,
        opset_version=OPSET,
        input_names=["input_ids"],
        output_names=["logits"],
        dynamic_axes={"input_ids": {0: "batch", 1: "seq"}, "logits": {0: "batch", 1: "seq"}},
    )
    proto = onnx.load(path)
    properties = {
        "tulle.tokenizer": json.dumps({"kind": "characters", "characters": CHARACTERS}),
        "tulle.training": json.dumps(training),
    }
    onnx.helper.set_model_props(proto, properties)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)


def check_against_torch(model: GPT2, path: Path) -> float:
    """The largest difference of any logit between onnxruntime and torch, over several batches and lengths."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for batch, length in [(1, 1), (1, 2), (3, 17), (2, 100), (1, 255), (2, model.shape.context)]:
        generator = torch.Generator().manual_seed(length)
        ids = torch.randint(len(CHARACTERS), (batch, length), generator=generator)
        (found,) = session.run(["logits"], {"input_ids": ids.numpy()})
        with torch.no_grad():
            expected = model(ids)
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-4)
        worst = max(worst, (torch.from_numpy(found) - expected).abs().max().item())
    return worst
