"""ONNX's own backend cases for the operators on real numbers, and what is refused of them."""

from collections import Counter
from fnmatch import fnmatch

import numpy as np
import pytest

from pimjax.frontend.model import ModelError
from pimjax.frontend.onnx.operators import FLOAT
from tests.onnx.nodes import DATA, Case, node_cases, stored_cases
from tests.onnx.support import imported, last, runtime

pytestmark = pytest.mark.slow

OURS = {("", name) for name in [*FLOAT, "Constant"]}
FOLDERS = ("pytorch-converted", "pytorch-operator", "simple")

BATCH = "batch"
SPATIAL = "3 spatial axes"
MATRIX = "one matrix for all"
REFUSED = {
    "test_averagepool_3d*": SPATIAL,
    "test_convtranspose_3d": SPATIAL,
    "test_maxpool_3d*": SPATIAL,
    "test_AvgPool3d*": SPATIAL,
    "test_Conv3d*": SPATIAL,
    "test_MaxPool3d*": SPATIAL,
    "test_batchnorm_*_training_mode": "training_mode = 1",
    "test_training_dropout*": "training_mode = 1|output 1",
    "test_dropout_default_mask*": "output 1 'z' is used",
    "test_maxpool_with_argmax*": "output 1 'z' is used",
    "test_cast*_to_FLOAT[48]*": "computed tensors stay floating-point",
    "test_cast*_to_*INT[24]*": "computed tensors stay floating-point",
    "test_*_axis_0*": BATCH,
    "test_concat_1d_axis_negative_1": BATCH,
    "test_concat_2d_axis_negative_2": BATCH,
    "test_concat_3d_axis_negative_3": BATCH,
    "test_expand_dim_changed": BATCH,
    "test_expand_shape_model[34]": BATCH,
    "test_flatten_axis[023]": BATCH,
    "test_flatten_negative_axis[124]": BATCH,
    "test_gather_0": BATCH,
    "test_gather_negative_indices": BATCH,
    "test_gemm_all_attributes": BATCH,
    "test_gemm_default_matrix_bias": "one number for each",
    "test_gemm_transposeA": BATCH,
    "test_matmul_[34]d": MATRIX,
    "test_matmul_1d_1d": "over \\[3\\]",
    "test_matmul_1d_3d": MATRIX,
    "test_matmul_bcast": MATRIX,
    "test_operator_chunk": BATCH,
    "test_operator_index": "axes \\[0\\]",
    "test_operator_params": BATCH,
    "test_pow_types_float32_*int*": BATCH,
    "test_prelu_example": BATCH,
    "test_reduce_*_default_axes*": BATCH,
    "test_reduce_*empty_set*": "empty",
    "test_reshape_reordered_all_dims": BATCH,
    "test_reshape_one_dim": BATCH,
    "test_reshape_negative_extended_dims": BATCH,
    "test_slice": BATCH,
    "test_slice_neg_steps": BATCH,
    "test_slice_start_out_of_bounds": "nothing is left",
    "test_split_*_1d_*": BATCH,
    "test_split_1d_*": BATCH,
    "test_split_*_default_axis_*": BATCH,
    "test_split_zero_size_*": BATCH,
    "test_squeeze": "axes \\[0\\]",
    "test_tile*": BATCH,
    "test_transpose_default": BATCH,
    "test_transpose_all_permutations_[2-5]": BATCH,
    "test_unsqueeze_axis_0": BATCH,
    "test_reshape_allowzero_reordered": "length 0|cannot have",
    "test_resize_*cubic*": "cubic",
    "test_resize_*linear_antialias": "antialias",
    "test_resize_tf_crop*": "tf_crop_and_resize",
    "test_operator_add_*": "opsets before 7",
    "test_operator_addconstant": "opsets before 7",
    "test_PoissonNLLLLoss_no_reduce": BATCH,
    "test_Softsign": "opsets before 7",
    "test_shape*": "does not depend on any input",
    "test_size*": "does not depend on any input",
}
"""Names, and a regular expression of the reason: 3D, training, the batch axis, rare modes."""

BY_RUNTIME = {"test_resize_downsample_scales_linear_align_corners"}
"""Where ONNX Runtime divides by the new whole length and the case by the scaled one: as Runtime."""


def own_cases(cases: dict[str, Case]) -> dict[str, Case]:
    """Cases of operators in the table; written out in other operators, only of those too."""
    known = {name: case for name, case in cases.items() if set(case.operators) <= OURS}
    return {name: case for name, case in known.items() if name.split("_expanded")[0] in known}


def first_operator(case: Case) -> str:
    return next((name for _, name in case.operators if name != "Constant"), "Constant")


def is_refused(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in REFUSED)


def check(case: Case) -> None:
    """The case's images, and the same images again in the same batch, give what the case says."""
    inputs = [np.concatenate([last(np.asarray(x).astype(np.float32))] * 2) for x in case.inputs]
    wanted = runtime(case.model, *case.inputs) if case.name in BY_RUNTIME else case.outputs
    is_short = any(np.dtype(x.dtype).itemsize == 2 for x in [*case.inputs, *case.outputs])
    within = {"rtol": 1e-2 if is_short else 1e-3, "atol": 1e-5}
    for got, want in zip(imported(case.model)(*inputs), wanted, strict=True):
        want = np.concatenate([last(np.asarray(want).astype(np.float32))] * 2)
        assert got.shape == want.shape, case.name
        np.testing.assert_allclose(np.asarray(got), want, **within, err_msg=case.name)


@pytest.mark.parametrize("operator", sorted(FLOAT))
def test_generated_cases(operator):
    for name, case in own_cases(node_cases()).items():
        if first_operator(case) == operator and case.is_float and not is_refused(name):
            check(case)


@pytest.mark.parametrize("folder", FOLDERS)
def test_shipped_cases(folder):
    cases = own_cases(stored_cases(folder))
    assert cases
    for name, case in cases.items():
        if case.is_float and not is_refused(name):
            check(case)


def every_case() -> list[Case]:
    return [
        case
        for cases in (node_cases(), *map(stored_cases, FOLDERS))
        for case in own_cases(cases).values()
    ]


@pytest.mark.parametrize("pattern", sorted(REFUSED))
def test_a_refused_case_says_why(pattern):
    found = [case for case in every_case() if case.is_float and fnmatch(case.name, pattern)]
    assert found, f"no case is called {pattern}"
    for case in found:
        with pytest.raises(ModelError, match=REFUSED[pattern]):
            imported(case.model)


def test_integer_tensors_are_refused():
    found = [case for case in every_case() if not case.is_float]
    assert len(found) > 50
    for case in found:
        with pytest.raises(ModelError, match=r"can be|no tensor|no input|is empty"):
            imported(case.model)


def test_most_operators_have_a_case():
    met = Counter(name for case in every_case() for _, name in case.operators)
    assert set(FLOAT) - set(met) == set()
    assert len(every_case()) > 500
    assert DATA.is_dir()
