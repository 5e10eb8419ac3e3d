"""What is changed in a model folder of others' making before the engine can drive it.

GenAI's model builder writes graphs for one sequence in memory of its own; the engine has many sequences in one pass, in
slots that grow. Two things are different there:

- Attention with a window may evict (`sliding_window_cache`): its memory is as long as the window, and tokens in it have
  no fixed place. The engine's slots hold every token where it stands. Without that attribute the graph computes the
  same, bit for bit, in memory of any length.
- Phi's graphs (longrope) rotate all of a pass by other numbers once its longest sequence passes the length that the
  model was first trained for. GenAI computes everything again there. In a pass with others, a sequence's answer would
  depend on theirs, and on how its cached beginning was rotated: the window ends where that would begin.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from codex_windows_ai.models.contents import read_object
from codex_windows_ai.models.decoder_graph import EVICTS, DecoderGraph
from codex_windows_ai.models.folder import CONFIGURATION, ModelFolder, read_model_folder
from codex_windows_ai.protocol.json_values import as_object


def needs_adaptation(folder: ModelFolder) -> bool:
    """Whether `adapt` would change it."""
    graph = DecoderGraph(folder.model_file)
    return bool(graph.evicting) or _window(graph, folder) < folder.context_length


def adapt(path: Path) -> None:
    """Changes a folder, whose files are this machine's own copies. Raises ModelError: it cannot be read."""
    folder = read_model_folder(path)
    graph = DecoderGraph(folder.model_file)
    window = _window(graph, folder)
    if graph.evicting:
        for node in graph.evicting:
            kept = [entry for entry in node.attribute if entry.name != EVICTS]
            del node.attribute[:]
            node.attribute.extend(kept)
        folder.model_file.write_bytes(graph.model.SerializeToString())
    if graph.evicting or window < folder.context_length:
        configuration = read_object(path / CONFIGURATION, path)
        _write_window(configuration, window, evicts=bool(graph.evicting))
        text = json.dumps(configuration, ensure_ascii=False, indent=4)
        (path / CONFIGURATION).write_text(text, encoding="utf-8", newline="")


def adaptation_remarks(folder: ModelFolder) -> tuple[str, ...]:
    """What the user of an adapted folder should know."""
    graph = DecoderGraph(folder.model_file)
    switch, most = graph.rotation_switch, graph.rotation_rows[-1:]
    if switch is None or not switch == folder.context_length < most[0]:
        return ()
    return (
        f"Its window is {switch:,} tokens, not {most[0]:,}: beyond that its graph (longrope) rotates all sequences of "
        "a pass by other numbers, which is right for one sequence alone.",
    )


def _window(graph: DecoderGraph, folder: ModelFolder) -> int:
    switch = graph.rotation_switch
    return folder.context_length if switch is None else min(switch, folder.context_length)


def _write_window(configuration: dict[str, Any], window: int, *, evicts: bool) -> None:
    model = as_object(configuration["model"])
    model["context_length"] = window
    if evicts:
        as_object(model["decoder"]).pop("sliding_window", None)
    search = as_object(configuration.get("search"))
    if isinstance(length := search.get("max_length"), int):
        search["max_length"] = min(length, window)
