"""The operators that compute experts: QMoE over codes, MoE over float32.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QMoE
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_windows_ai.hardware.experts import rounds_activations
from codex_windows_ai.models.blocks.graph_builder import MICROSOFT, GraphBuilder
from codex_windows_ai.models.blocks.products import BLOCK_SIZE, INT8_ACTIVATIONS, BlockForm, FloatForm, Fp4Form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_windows_ai.models.blocks.products import Products
    from codex_windows_ai.models.blocks.weights import Experts
    from codex_windows_ai.models.spec import MoeSpec

_TAKING_TURNS = 1  # swiglu_fusion, the only one that processors compute


def multiply_experts(
    build: GraphBuilder, products: Products, experts: Sequence[Experts], routes: str, told: str, spec: MoeSpec
) -> str:
    """What the expert of each route, by `told` [routes, experts], makes of its row: [routes, hidden_size].

    `experts` are their matrices in the order of the computation, which are stored in one form.
    """
    first, second = experts
    form = products.expert_form(first)
    parts = ("values",) if isinstance(form, FloatForm) else ("codes", "scales")
    inputs = [routes, told]
    for matrix in (first, second):
        inputs += [products.expert_values(build, matrix, part) for part in parts]
        inputs.append(f"{matrix.name}.bias" if matrix.biased else "")
    if isinstance(form, BlockForm) and form.zero_points:  # behind what a third matrix would have
        inputs += ["", "", "", *(f"{matrix.name}.zero_points" for matrix in experts)]
    output = f"{first.name}.output"
    return build.node(
        "MoE" if isinstance(form, FloatForm) else "QMoE",
        inputs,
        output,
        MICROSOFT,
        k=1,
        activation_type="swiglu",
        swiglu_fusion=_TAKING_TURNS,
        normalize_routing_weights=1,
        **_activation(spec),
        **_storage(form),
    )


def _activation(spec: MoeSpec) -> dict[str, Any]:
    if spec.clamped is None:
        return {"activation_alpha": 1.0, "activation_beta": 0.0}
    return {"activation_alpha": spec.clamped.slope, "activation_beta": 1.0, "swiglu_limit": spec.clamped.limit}


def _storage(form: BlockForm | FloatForm | Fp4Form) -> dict[str, Any]:
    match form:
        case FloatForm():
            return {}
        case Fp4Form():
            return {"quant_type": "fp4", "weights_prepacked": 1, "expert_weight_bits": 4, "block_size": BLOCK_SIZE}
        case BlockForm():
            level = {"accuracy_level": INT8_ACTIVATIONS} if rounds_activations() else {}
            sizes = {"expert_weight_bits": form.bits, "block_size": form.block_size}
            return {"quant_type": "int", "weights_prepacked": 0, **level, **sizes}
