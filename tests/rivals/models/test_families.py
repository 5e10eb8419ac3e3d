"""Each family in each quantisation: as near to float32 arithmetic on a file's own weights as llama.cpp is.

Both round what they multiply with, so both are a little off. Models, texts and seeds are fixed: on a processor the
figures are the same in each run. What is asserted leaves room for three standard errors of the difference, position by
position, and for a twentieth at least: so far were two programs apart that round alike (Q8_0, Q4_0).
"""

from pathlib import Path

import pytest

from codex_windows_ai.models.precision import Precision
from tests.rivals.models import ours
from tests.rivals.models.figures import Figures, compare, excess
from tests.rivals.models.rig import WITHOUT_FLOATS, Rig
from tests.rivals.models.specimens import CASES, SPECIMENS, Specimen
from tests.rivals.models.table import TABLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_STANDARD_ERRORS, _LEAST_ROOM = 3, 0.05
_POINT = 0.01
_MOST_OF_FLOATS = 0.0005
"""Nats, where nothing is rounded but by float32."""
_MOST_BY_ORDER_OF_SUMS = 0.001
"""How far answers are apart that differ in the order of sums, and so here and there in how something is rounded."""
_FITTED = {("qwen3moe", "Q4_K_M"), ("qwen35moe", "Q4_K_M")}
_ROOM_FOR_FITTED_EXPERTS = 4.5
"""Of llama.cpp's divergence, which multiplies K-quants: ONNX Runtime's experts have one scale a block and no minimum,
so weights that were rounded to Q4_K are rounded again. The share of the same likeliest tokens falls with it.
"""
_MOST_BESIDE_KEPT_EXPERTS = 0.06
_ROOM_FOR_ROUNDED_WEIGHTS = 0.35
"""Of llama.cpp's divergence, which has the file's own weights, where ours became 8 bits for the sake of speed, and all
products of a layer integers, as far as a mean divergence of 0.005 on the converter's sample allows.
"""


@pytest.mark.parametrize(
    ("specimen", "kind"),
    [pytest.param(specimen, kind, id=f"{specimen.name}-{kind}") for specimen, kind in CASES],
)
def test_answers_are_as_near_to_the_truth_as_rivals_are(
    rig: Rig, specimen: Specimen, kind: str, tmp_path: Path
) -> None:
    name, truth, tokens = f"{specimen.name} {kind}", rig.truth(specimen, kind), rig.tokens(specimen)
    # Floats become 8 bits unless the user wants to keep them; so does this rival.
    rival = compare(truth, rig.rival(specimen, WITHOUT_FLOATS if kind == "F16" else kind))
    TABLE.put(name, "llama.cpp", rival)
    folder = ours.converted(rig.file(specimen, kind), tmp_path / "model")
    portable, for_processors = ours.portable(folder), ours.for_processors(folder)

    found = {"portable": compare(truth, ours.whole(portable, tokens))}
    found |= {way: compare(truth, run(for_processors, tokens)) for way, run in ours.WAYS.items()}
    for column, figures in found.items():
        TABLE.put(name, column, figures)

    room = _ROOM_FOR_FITTED_EXPERTS if (specimen.name, kind) in _FITTED else _LEAST_ROOM
    assert {column: _problem(figures, rival, room) for column, figures in found.items()} == dict.fromkeys(found, "")


def test_mxfp4_is_multiplied_exactly_where_it_is_kept(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left is the rest of the model, of Q8_0: these texts' 0.043 beside 0.097 where experts are fitted."""
    monkeypatch.setattr("codex_windows_ai.models.convert.experts.multiplies_mxfp4", lambda: True)
    specimen = next(specimen for specimen in SPECIMENS if "MXFP4_MOE" in specimen.quantisations)
    truth, tokens = rig.truth(specimen, "MXFP4_MOE")[:2], rig.tokens(specimen)[:2]
    folder = ours.converted(rig.file(specimen, "MXFP4_MOE"), tmp_path / "model")
    figures = compare(truth, ours.whole(ours.for_processors(folder), tokens))
    TABLE.put(f"{specimen.name} MXFP4_MOE, kept", "whole", figures)
    assert figures.divergence < _MOST_BESIDE_KEPT_EXPERTS


@pytest.mark.parametrize("specimen", [pytest.param(each, id=each.name) for each, kind in CASES if kind == "F16"])
def test_floats_that_are_kept_answer_as_the_model_was_trained(rig: Rig, specimen: Specimen, tmp_path: Path) -> None:
    truth, tokens = rig.truth(specimen, "F16"), rig.tokens(specimen)
    folder = ours.converted(rig.file(specimen, "F16"), tmp_path / "model", Precision.FLOAT)
    model = ours.for_processors(folder)
    for way, run in ours.WAYS.items():
        figures = compare(truth, run(model, tokens))
        TABLE.put(f"{specimen.name} F16, kept", way, figures)
        assert figures.divergence < _MOST_OF_FLOATS


@pytest.mark.parametrize("specimen", SPECIMENS, ids=[specimen.name for specimen in SPECIMENS])
def test_a_prefix_that_is_shared_is_as_good_as_a_past(rig: Rig, specimen: Specimen, tmp_path: Path) -> None:
    model = ours.for_processors(ours.converted(rig.file(specimen, "Q4_K_M"), tmp_path / "model"))
    tokens = rig.tokens(specimen)[:1]

    sees_everything = specimen.configuration.keys().isdisjoint({"sliding_window", "layer_types"})
    assert model.shares_prefixes == sees_everything
    if model.shares_prefixes:
        figures = compare(ours.whole(model, tokens), ours.behind_a_shared_prefix(model, tokens))
        assert figures.divergence < _MOST_BY_ORDER_OF_SUMS


@pytest.mark.parametrize("specimen", SPECIMENS, ids=[specimen.name for specimen in SPECIMENS])
def test_weights_that_are_rounded_to_8_bits_answer_as_llama_cpp(rig: Rig, specimen: Specimen, tmp_path: Path) -> None:
    truth, rival = rig.truth(specimen, "Q4_K_M"), rig.rival(specimen, "Q4_K_M")
    folder = ours.converted(rig.file(specimen, "Q4_K_M"), tmp_path / "model", Precision.EIGHT_BITS)

    figures = compare(truth, ours.whole(ours.for_processors(folder), rig.tokens(specimen)))

    TABLE.put(f"{specimen.name} Q4_K_M", "8 bits", figures)
    assert _problem(figures, compare(truth, rival), _ROOM_FOR_ROUNDED_WEIGHTS) == ""


def _problem(figures: Figures, rival: Figures, room: float = _LEAST_ROOM) -> str:
    farther, error = excess(figures.divergences, rival.divergences)
    if farther > max(_STANDARD_ERRORS * error, room * rival.divergence):
        return f"diverges by {figures.divergence:.5f}, llama.cpp by {rival.divergence:.5f}"
    rarer, error = excess(rival.agreements, figures.agreements)
    if rarer > _POINT + _STANDARD_ERRORS * error and room < 1:
        return f"agrees in {figures.agreement:.1f} %, llama.cpp in {rival.agreement:.1f} %"
    return ""
