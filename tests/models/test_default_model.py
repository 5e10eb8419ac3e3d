"""The real default model, fetched and converted once a machine."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from codex_windows_ai.models.folder import read_model_folder
from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.settings import DEFAULT_MODEL

QUESTION = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"


def test_the_default_model_is_what_it_claims_to_be(default_model: Path):
    model = read_model_folder(default_model)
    assert (model.layers, model.heads) == (30, 9)
    decoder = json.loads((default_model / "genai_config.json").read_text(encoding="utf-8"))["model"]["decoder"]
    assert (decoder["num_key_value_heads"], decoder["head_size"]) == (3, 64)
    assert (model.vocabulary_size, model.context_length, model.eos_token_ids) == (49152, 8192, (2, 0, 4))
    assert "<|im_start|>" in (model.chat_template or "")
    ModelStore(default_model.parent).verify(DEFAULT_MODEL)


def test_its_tokens_are_those_of_its_published_tokenizer(default_model: Path):
    tokenizer = Tokenizer.from_file(str(default_model / "tokenizer.json"))
    # As published with SmolLM2: digits one by one, words with their leading space.
    assert tokenizer.encode("user\n12 the").tokens == ["user", "Ċ", "1", "2", "Ġthe"]
    assert tokenizer.encode(QUESTION).ids[0] == 1


def test_it_knows_the_capital_of_france(default_model: Path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(default_model / "model.onnx", options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(default_model / "tokenizer.json"))
    tokens = tokenizer.encode(QUESTION).ids
    past = {
        value.name: np.zeros((1, 3, 0, 64), np.float32)
        for value in session.get_inputs()
        if value.name.startswith("past")
    }
    for _ in range(7):
        feeds = {"input_ids": np.array([tokens]), "attention_mask": np.ones((1, len(tokens)), np.int64), **past}
        logits = session.run(["logits"], feeds | {"logits_to_keep": np.array([1])})[0]
        tokens.append(int(logits[0, 0].argmax()))
    assert "Paris" in tokenizer.decode(tokens)


def test_onnxruntime_genai_loads_it_and_answers_alike(default_model: Path):
    import onnxruntime_genai as genai

    model = genai.Model(str(default_model))
    tokenizer = genai.Tokenizer(model)
    messages = json.dumps([{"role": "user", "content": "What is the capital of France? Answer in one sentence."}])
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
    ids = [int(token) for token in tokenizer.encode(prompt)]
    assert ids == Tokenizer.from_file(str(default_model / "tokenizer.json")).encode(prompt).ids
    parameters = genai.GeneratorParams(model)
    parameters.set_search_options(max_length=len(ids) + 20)
    generator = genai.Generator(model, parameters)
    generator.append_tokens(ids)
    answer: list[int] = []
    while not generator.is_done():
        generator.generate_next_token()
        answer.append(int(generator.get_next_tokens()[0]))
    assert "Paris" in tokenizer.decode(answer)
