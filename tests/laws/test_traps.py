"""Mistakes that admired libraries have shipped, and the tests that hold each of them here."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
TRAPS = {  # the mistake: the file of its tests, their names
    "a node that is used twice is walked once for every path to it": (
        "core/test_tensor.py",
        ["a_shared_node_is_visited_once"],
    ),
    "a deep graph ends in a RecursionError": (
        "core/test_tensor.py",
        ["a_graph_100000_deep_goes_backward_and_away"],
    ),
    "a second backward() is wrong, or does nothing": (
        "core/test_tensor.py",
        ["a_second_backward_adds_exactly_the_same_again"],
    ),
    "the gradient of sum(axis=1) is transposed where the matrix is square": (
        "core/test_ops.py",
        ["sum_over_each_axis_of_a_square_matrix_is_not_transposed"],
    ),
    "an op that is not recorded gives no gradient and no error": (
        "core/test_ops.py",
        ["every_op_has_a_row_and_every_row_an_op"],
    ),
    "the gradient checker cannot fail": (
        "doctor/test_gradcheck.py",
        [
            "a_wrong_vjp_is_found_and_reported_with_both_numbers",
            "one_wrong_element_of_a_large_input_is_found",
            "an_infinite_gradient_is_wrong",
        ],
    ),
    "a typo in an optimizer stays, because the loss still falls": (
        "core/test_optimizers.py",
        ["a_200_step_trajectory_equals_the_reference", "every_hyper_parameter_matters"],
    ),
    "predictions (N, 1) and targets (N,) broadcast to (N, N)": (
        "core/test_losses.py",
        ["unequal_shapes_are_refused_even_where_they_broadcast"],
    ),
    "a softmax goes into the softmax of the cross-entropy": (
        "guards/test_loss_hints.py",
        ["a_softmax_into_cross_entropy_and_a_sigmoid_into_bce_are_refused"],
    ),
    "the gradients of a tie of max sum to 2, or go to one argument": (
        "core/test_ops.py",
        ["ties_of_max_and_min_share_equally"],
    ),
    "a misspelt attribute is None": (
        "core/test_tensor.py",
        ["a_misspelt_attribute_raises"],
    ),
    "the gradient of a slice has the slice's shape": (
        "core/test_ops.py",
        ["a_slice_backward_has_the_whole_shape_and_repeated_indices_accumulate"],
    ),
    "the order of the parameters depends on the hash seed": (
        "core/test_layers.py",
        ["the_order_does_not_depend_on_the_hash_seed"],
    ),
    "a training's numbers depend on the hash seed": (
        "cli/test_train.py",
        ["the_numbers_are_the_same_in_every_process_and_for_every_hash_seed"],
    ),
    "data that the graph still needs is changed, and the gradients are wrong without a word": (
        "core/test_tensor.py",
        [
            "data_that_a_graph_needs_was_changed_is_refused_by_name",
            "a_changed_constant_and_a_changed_view_are_refused",
            "an_optimizer_step_between_forward_and_backward_is_refused",
            "reading_data_or_changing_it_before_the_graph_is_fine",
            "a_result_cannot_be_written_into",
            "a_view_that_was_kept_is_watched_also_after_new_data",
        ],
    ),
    "2 * t raises, and array * t is an array of objects": (
        "core/test_tensor.py",
        ["numbers_and_arrays_work_from_the_left"],
    ),
    "integers get integer gradients": (
        "core/test_tensor.py",
        ["only_floats_can_require_a_gradient"],
    ),
    "sigmoid(100) is NaN": (
        "core/test_ops.py",
        ["saturated_inputs_give_numbers_without_a_warning"],
    ),
    "exp(1000) in a loss overflows": (
        "core/test_losses.py",
        ["losses_are_stable_at_logits_of_10000"],
    ),
    "train() and eval() do not reach the layers inside": (
        "core/test_layers.py",
        ["train_and_eval_reach_two_levels_down"],
    ),
    "the state of an optimizer is kept by id(), and cannot be saved": (
        "core/test_optimizer.py",
        ["the_state_is_arrays_and_numbers_and_names_what_does_not_fit"],
    ),
    "the import needs matplotlib, or compiles for seconds": (
        "test_package.py",
        ["importing_loads_numpy_and_nothing_heavy"],
    ),
    "the import fails where nothing can be written": (
        "test_package.py",
        ["a_read_only_install_can_be_used"],
    ),
    "Numba's cache keeps what was compiled with other flags": (
        "test_package.py",
        ["kernels_are_compiled_with_one_set_of_flags"],
    ),
    "an int learning rate compiles a second version, and float32 is widened": (
        "core/test_optimizers.py",
        [
            "any_number_for_lr_uses_the_one_compiled_version",
            "float32_arithmetic_stays_float32",
            "a_literal_that_widens_would_be_seen",
        ],
    ),
    "a kernel loses a NaN, or spreads it": (
        "core/test_optimizer.py",
        ["a_nan_stays_in_its_place"],
    ),
    "a resumed training starts at t = 0, or without its averages": (
        "core/test_optimizer.py",
        ["a_resumed_run_is_bit_identical"],
    ),
    "centered RMSprop takes the square root of a negative number": (
        "laws/test_numerics.py",
        ["centered_rmsprop_survives_a_constant_gradient"],
    ),
    "sqrt and norm at 0 have NaN for a gradient": (
        "core/test_ops.py",
        ["sqrt_and_norm_at_zero_have_the_stated_gradient"],
    ),
    "the graph grows without a bound in evaluation": (
        "core/test_tensor.py",
        ["nothing_is_recorded_unless_something_requires_a_gradient"],
    ),
    "evaluate() records a graph": (
        "training/test_fit.py",
        ["evaluation_records_no_graph"],
    ),
    "the memory of a graph waits for the cyclic garbage collector": (
        "core/test_tensor.py",
        ["dropping_the_loss_frees_everything_at_once"],
    ),
    "a picture needs a program that is not there": (
        "training/test_pictures.py",
        ["no_picture_needs_another_program"],
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_every_trap_has_its_tests(trap):
    file, names = TRAPS[trap]
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {f"test_{name}" for name in names} <= found
