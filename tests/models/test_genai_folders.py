"""Folders as GenAI's model builder writes them: driven as GenAI drives them, or refused by name when they are added.

`tests/rivals/genai` has the builder's own.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.model import Model
from codex_windows_ai.errors import ModelError, ModelFileError, UnsupportedModelError
from codex_windows_ai.models.folder import ModelFolder, read_model_folder
from codex_windows_ai.models.graph_check import check_graphs
from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.windows_ai.model_proof import model_store
from tests.models.genai_folder import GenAiFolder
from tests.models.genai_tokens import by_engine, by_genai, by_passes, prompts

DRIVEN = {
    "the head size is a name": GenAiFolder(),
    "its own head size": GenAiFolder(head_size=32),
    "queries, keys and values apart": GenAiFolder(packed=False),
    "float16": GenAiFolder(kind=TensorProto.FLOAT16),
    "positions are an input": GenAiFolder(streams=1),
    "positions are three inputs": GenAiFolder(streams=3),
    "hidden states first": GenAiFolder(hidden_states=True),
    "windows": GenAiFolder(windows=(24, -1), evicts=False),
    "windows that evict": GenAiFolder(windows=(24, -1)),
    "a window beyond the first slot": GenAiFolder(windows=(600, -1)),
    "another rotation beyond a length": GenAiFolder(switch=512),
}


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return model_store(tmp_path / "models")


@pytest.mark.parametrize("kind", DRIVEN)
def test_greedy_tokens_are_those_of_genai(kind: str, converted: Path, tmp_path: Path, store: ModelStore) -> None:
    theirs = DRIVEN[kind].write(tmp_path / "theirs", converted)
    ours = store.add(theirs)
    asked = prompts(70, 11)
    expected = [by_genai(theirs, prompt, 30) for prompt in asked]
    assert min(len(set(tokens)) for tokens in expected) > 5  # they say something

    assert by_engine(ours, asked, 30) == expected
    for cut in (1 << 30, 5):
        passes = by_passes(ours, asked, 30, cut)
        assert [tokens[: len(said)] for tokens, said in zip(passes, expected, strict=True)] == expected


REFUSED: dict[str, tuple[GenAiFolder, str, str]] = {
    "convolutions": (GenAiFolder(more_inputs=("past.0.conv",)), r"past\.0\.conv", "Qwen3"),
    "recurrence": (GenAiFolder(more_inputs=("past.1.recurrent",)), r"past\.1\.recurrent", "Qwen3"),
    "embeddings": (GenAiFolder(more_inputs=("inputs_embeds",)), "inputs_embeds.*part of several", "exclude_embeds"),
    "a paged cache": (GenAiFolder(more_inputs=("block_table",)), "block_table.*paged", "-e cpu"),
    "beams": (GenAiFolder(more_inputs=("cache_indirection",)), "cache_indirection.*beams", "-e cpu"),
    "lengths": (GenAiFolder(more_inputs=("past_sequence_length",)), "past_sequence_length.*NPU", "-e cpu"),
    "something unknown": (GenAiFolder(more_inputs=("adapter",)), "`adapter`.*`input_ids`", "-e cpu"),
    "other attention": (GenAiFolder(attention="MultiHeadAttention"), "MultiHeadAttention.*GroupQueryAttention", "fp32"),
    "norms in attention": (GenAiFolder(norms=True), "GPUs", "generic-cpu"),
    "bfloat16": (GenAiFolder(kind=TensorProto.BFLOAT16), "bfloat16", "-e cpu"),
    "no head": (GenAiFolder(logits="last_hidden"), "last_hidden.*head was left out", "exclude_lm_head"),
    "one row of logits": (GenAiFolder(logits_rows=1), "last token only", "prune_lm_head"),
    "heads of another size": (GenAiFolder(said_head_size=32), "head_size` is 32.*has 16", "Set it to 16"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_the_engine_cannot_drive_is_refused_by_name_with_what_to_do(
    kind: str, converted: Path, tmp_path: Path, store: ModelStore
) -> None:
    folder, said, hint = REFUSED[kind]
    with pytest.raises(ModelError, match=said) as caught:
        store.add(folder.write(tmp_path / "theirs", converted))
    assert hint in str(caught.value.hint)
    assert not [entry for entry in store.root.iterdir() if entry.is_dir()] if store.root.exists() else True


def change(folder: Path, **model: object) -> Path:
    """The folder with other values in `model`; None takes one away."""
    file = folder / "genai_config.json"
    configuration = json.loads(file.read_text(encoding="utf-8"))
    for path, value in model.items():
        section = configuration["model"]
        *sections, last = path.split("__")
        for name in sections:
            section = section[name]
        section.pop(last, None)
        if value is not None:
            section[last] = value
    file.write_text(json.dumps(configuration), encoding="utf-8")
    return folder


@pytest.mark.parametrize("part", ["embedding", "vision", "speech", "encoder"])
def test_a_model_of_several_parts_is_refused_by_the_part(part: str, converted: Path, tmp_path: Path) -> None:
    folder = change(GenAiFolder().write(tmp_path / "theirs", converted), **{part: {"filename": "x.onnx"}})
    with pytest.raises(UnsupportedModelError, match=rf"several parts \(`model\.{part}`\)"):
        read_model_folder(folder)


def test_a_decoder_in_several_graphs_is_refused(converted: Path, tmp_path: Path) -> None:
    folder = change(GenAiFolder().write(tmp_path / "theirs", converted), decoder__pipeline=[{}])
    with pytest.raises(UnsupportedModelError, match=r"model\.decoder\.pipeline.*NPU"):
        read_model_folder(folder)


def test_other_states_than_keys_and_values_are_refused(converted: Path, tmp_path: Path) -> None:
    folder = GenAiFolder().write(tmp_path / "theirs", converted)
    change(folder, decoder__inputs__past_key_names=None, decoder__inputs__past_value_names=None)
    change(folder, decoder__inputs__past_names="past_%d")
    with pytest.raises(UnsupportedModelError, match=r"model\.decoder\.inputs\.past_names"):
        read_model_folder(folder)


def test_a_head_size_that_nobody_says_is_not_guessed(converted: Path, tmp_path: Path) -> None:
    folder = change(GenAiFolder().write(tmp_path / "theirs", converted), decoder__head_size=None)
    with pytest.raises(UnsupportedModelError, match=r"kv_cache_dim.*head_size"):
        check_graphs(read_model_folder(folder))


def test_a_width_that_the_graph_does_not_say_is_found_wrong_by_the_proof(
    converted: Path, tmp_path: Path, store: ModelStore
) -> None:
    folder = GenAiFolder(said_head_size=32).write(tmp_path / "theirs", converted)
    model = onnx.load(folder / "model.onnx")
    for place, node in reversed(list(enumerate(model.graph.node))):
        if node.op_type == "GroupQueryAttention":  # how wide it is, no weight says any more
            model.graph.node.insert(place, onnx.helper.make_node("Identity", [node.input[0]], [f"same.{place}"]))
            model.graph.node[place + 1].input[0] = f"same.{place}"
    onnx.save(model, folder / "model.onnx")
    check_graphs(read_model_folder(folder))
    with pytest.raises(ModelFileError, match=r"theirs.*cannot answer.*past_key"):
        store.add(folder)


# What is changed in the copy.


def test_attention_that_evicts_computes_the_same_in_slots_of_any_length(
    converted: Path, tmp_path: Path, store: ModelStore
) -> None:
    """Bit for bit, wherever the graph as it came can be run."""
    theirs = GenAiFolder(windows=(300,)).write(tmp_path / "theirs", converted)
    as_it_came, ours = read_model_folder(theirs), store.add(theirs)
    tokens = np.array(prompts(700), dtype=np.int64)

    def logits(folder: ModelFolder, length: int, cut: int) -> np.ndarray:
        model = Model(folder)
        pool = HostPool(model.spec, 1 << 28)
        pool.reserve(1, length, kept=())
        pieces = [tokens[:, start : min(start + cut, length)] for start in range(0, min(length, 700), cut)]
        return np.concatenate(
            [model.forward(pool, 0, piece, [n * cut], keep=piece.shape[1])[0] for n, piece in enumerate(pieces)]
        )

    for length, cut in ((512, 512), (512, 96), (700, 700), (1024, 250)):
        np.testing.assert_array_equal(logits(ours, length, cut), logits(as_it_came, length, cut))
    with pytest.raises(Exception, match="capacity"):
        logits(as_it_came, 100, 100)
    np.testing.assert_allclose(logits(ours, 100, 100), logits(ours, 512, 512)[:100], atol=1e-4)


def test_the_folder_that_was_added_stays_as_it_was_and_the_copy_is_whole(
    converted: Path, tmp_path: Path, store: ModelStore
) -> None:
    theirs = GenAiFolder(windows=(300, -1)).write(tmp_path / "theirs", converted)
    before = {file.name: file.read_bytes() for file in theirs.iterdir()}
    ours = store.add(theirs).path
    assert {file.name: file.read_bytes() for file in theirs.iterdir()} == before
    store.verify("theirs")
    decoder = json.loads((ours / "genai_config.json").read_text(encoding="utf-8"))["model"]["decoder"]
    assert "sliding_window" not in decoder  # which says how long the caches are
    prompt = prompts(40)[0]
    assert by_genai(ours, prompt, 20) == by_genai(theirs, prompt, 20)


def test_a_folder_that_cannot_be_driven_where_it_is_is_installed(
    converted: Path, tmp_path: Path, store: ModelStore
) -> None:
    driven = GenAiFolder().write(tmp_path / "driven", converted)
    evicting = GenAiFolder(windows=(300,)).write(tmp_path / "evicting", converted)
    assert store.resolve(driven).path == driven
    assert store.resolve(evicting).path == store.path("evicting")
    assert store.resolve(evicting).path == store.path("evicting")
    assert [model.name for model in store.list()] == ["evicting"]


def test_a_window_ends_where_all_sequences_would_be_rotated_otherwise_and_that_is_said(
    converted: Path, tmp_path: Path, store: ModelStore
) -> None:
    ours = store.add(GenAiFolder(switch=512).write(tmp_path / "theirs", converted))
    assert ours.context_length == 512
    (remark,) = store.list()[0].remarks
    assert "512" in remark
    assert "1,024" in remark


def test_a_window_that_is_short_enough_is_kept(converted: Path, tmp_path: Path, store: ModelStore) -> None:
    assert store.add(GenAiFolder(switch=512, context=512).write(tmp_path / "a", converted)).context_length == 512
    assert store.list()[0].remarks == ()


def test_tables_that_are_chosen_in_another_way_are_refused(converted: Path, tmp_path: Path, store: ModelStore) -> None:
    folder = GenAiFolder(switch=512).write(tmp_path / "theirs", converted)
    model = onnx.load(folder / "model.onnx")
    next(node for node in model.graph.node if node.op_type == "Greater").op_type = "Equal"
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(ModelFileError, match="something else than the number of tokens"):
        store.add(folder)


def test_positions_that_are_shifted_for_all_are_refused(converted: Path, tmp_path: Path, store: ModelStore) -> None:
    folder = GenAiFolder(streams=1).write(tmp_path / "theirs", converted)
    model = onnx.load(folder / "model.onnx")
    model.graph.node.insert(0, onnx.helper.make_node("ReduceMax", ["position_ids"], ["unused"]))
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(UnsupportedModelError, match="changes positions by `ReduceMax`"):
        store.add(folder)


# Beside the graph.


def test_a_prompt_template_of_foundry_local_is_not_read_and_that_is_said(
    converted: Path, tmp_path: Path, store: ModelStore
) -> None:
    folder = GenAiFolder().write(tmp_path / "theirs", converted)
    template = {"Name": "x", "PromptTemplate": {"prompt": "<|im_start|>user\n{Content}<|im_end|>"}}
    (folder / "inference_model.json").write_text(json.dumps(template), encoding="utf-8")
    store.add(folder, name="with-its-own")
    (folder / "chat_template.jinja").unlink()
    store.add(folder, name="without")
    (said,) = (remark for model in store.list() if model.name == "without" for remark in model.remarks)
    assert "no chat template" in said
    assert "`inference_model.json` is not read" in said
    assert "`chat_template.jinja`" in said
