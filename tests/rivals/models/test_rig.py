"""That the truth is one: it has the weights of the file, answers as llama.cpp if neither rounds, and is sensitive."""

from pathlib import Path

import pytest

from tests.rivals.models.figures import compare
from tests.rivals.models.rig import Rig
from tests.rivals.models.specimens import SPECIMENS, Specimen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
each_specimen = pytest.mark.parametrize(
    "specimen", [pytest.param(specimen, id=specimen.name) for specimen in SPECIMENS]
)

_HALF = 2.0**-11
"""How far float16 rounds, of the value."""


@each_specimen
def test_weights_out_of_a_float16_file_are_those_the_model_was_made_with(rig: Rig, specimen: Specimen) -> None:
    differences = rig.ask(do="differences", folder=rig.folder(specimen) / "model", file=rig.file(specimen, "F16"))

    assert {name: value for name, value in differences.items() if value > _HALF} == {}


@each_specimen
def test_float32_arithmetic_answers_as_llama_cpp_does_from_a_float16_file(
    rig: Rig, specimen: Specimen, tmp_path: Path
) -> None:
    rope = specimen.configuration.get("rope_parameters", {})
    if "truncate" in rope:  # llama.cpp rounds the pairs where YaRN begins and ends, whatever the model says
        truth = rig.elsewhere(specimen, "F16", tmp_path, {"rope_parameters": rope | {"truncate": True}})
    else:
        truth = rig.truth(specimen, "F16")
    figures = compare(truth, rig.rival(specimen, "F16"))

    assert figures.divergence < (5e-4 if "truncate" in rope else 1e-4)  # 0.26 where only one of them rounds
    assert figures.agreement > 98


@each_specimen
def test_a_wrong_rotation_shows(rig: Rig, specimen: Specimen, tmp_path: Path) -> None:
    wrong = {"rope_type": "default", "rope_theta": 300.0}
    parameters = (
        {"full_attention": wrong, "sliding_attention": wrong}
        if specimen.name.startswith(("gemma3", "gemma4"))
        else wrong
    )
    if specimen.architecture == "Ministral3ForCausalLM":
        parameters |= {"llama_4_scaling_beta": 0.3, "original_max_position_embeddings": 64}

    changed = rig.elsewhere(specimen, "F16", tmp_path, {"rope_parameters": parameters})

    assert compare(rig.truth(specimen, "F16"), changed).divergence > 0.04
