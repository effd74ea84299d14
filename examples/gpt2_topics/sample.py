"""Continue a prompt with one of the two models under onnxruntime: `python sample.py gpt2_topics_sparse.onnx "The "`."""

import argparse
import json

import numpy as np
import onnxruntime

CONTEXT = 256


def continuation(session: onnxruntime.InferenceSession, prompt: str, length: int) -> str:
    """The `length` most likely characters, one after the other; each sees the last `CONTEXT` before it."""
    characters = json.loads(session.get_modelmeta().custom_metadata_map["tulle.tokenizer"])["characters"]
    ids = [characters.index(character) for character in prompt]
    for _ in range(length):
        (logits,) = session.run(["logits"], {"input_ids": np.array([ids[-CONTEXT:]], dtype=np.int64)})
        ids.append(int(logits[0, -1].argmax()))
    return "".join(characters[index] for index in ids[len(prompt) :])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("model", help="an ONNX file with a tokenizer of its own")
    options.add_argument("prompt")
    options.add_argument("--length", type=int, default=160, help="characters to add")
    chosen = options.parse_args()
    session = onnxruntime.InferenceSession(chosen.model, providers=["CPUExecutionProvider"])
    print(chosen.prompt + continuation(session, chosen.prompt, chosen.length))


if __name__ == "__main__":
    main()
