"""Node tests of ONNX that gpudl does not pass, each with the reason; all others pass."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

# Names of cases, `*` for any characters.
EXPLAINED: dict[str, tuple[str, ...]] = {
    "no floats or integers of fewer bits than float16 and int8": (
        "test_cast_*FLOAT8*",
        "test_cast_*FLOAT4E2M1*",
        "test_cast_*INT[24]*",
        "test_castlike_*FLOAT8*",
        "test_castlike_*FLOAT4E2M1*",
        "test_castlike_*INT[24]*",
    ),
    "no tensors of strings": ("test_equal_string", "test_equal_string_broadcast"),
    "random, from another generator than gpudl's": (
        "test_training_dropout",
        "test_training_dropout_mask",
        "test_training_dropout_default",
        "test_training_dropout_default_mask",
    ),
    "PyTorch's scaled_dot_product_attention has no cap of the scores": (
        "test_attention_3d_softcap",
        "test_attention_3d_gqa_softcap",
        "test_attention_3d_diff_heads_sizes_softcap",
        "test_attention_4d_softcap",
        "test_attention_4d_gqa_softcap",
        "test_attention_4d_diff_heads_sizes_softcap",
        "test_attention_4d_softcap_neginf_mask",
        "test_attention_4d_softcap_neginf_mask_poison",
    ),
    "PyTorch's scaled_dot_product_attention does not return the scores": (
        "test_attention_3d_with_past_and_present_qk_matmul",
        "test_attention_3d_with_past_and_present_qk_matmul_bias",
        "test_attention_3d_with_past_and_present_qk_matmul_softcap",
        "test_attention_3d_with_past_and_present_qk_matmul_softmax",
        "test_attention_4d_with_qk_matmul",
        "test_attention_4d_with_qk_matmul_bias",
        "test_attention_4d_with_qk_matmul_softcap",
        "test_attention_4d_with_qk_matmul_softmax",
        "test_attention_4d_with_past_and_present_qk_matmul",
        "test_attention_4d_with_past_and_present_qk_matmul_bias",
        "test_attention_4d_with_past_and_present_qk_matmul_bias_3d_mask",
        "test_attention_4d_with_past_and_present_qk_matmul_bias_3d_mask_causal",
        "test_attention_4d_with_past_and_present_qk_matmul_bias_4d_mask",
        "test_attention_4d_with_past_and_present_qk_matmul_bias_4d_mask_causal",
        "test_attention_23_fullymasked_qk_matmul_output_mode3_zero",
        "test_attention_24_fullymasked_qk_matmul_output_mode3_zero",
        "test_attention_24_qk_matmul_output_mode3_softmax_precision",
        "test_attention_local_window_gqa_rank4_mask",
    ),
    "changes scores or weights by a graph of its own, as PyTorch's flex_attention does": (
        "test_flexattention_causal_mask",
        "test_flexattention_prob_mod",
        "test_flexattention_relative_positional",
        "test_flexattention_score_mod",
        "test_flexattention_soft_cap",
    ),
    "peepholes, which PyTorch's LSTM does not have": ("test_lstm_with_peepholes",),
    "the reset gate acts before the product, in PyTorch's GRU after it": ("test_gru_seq_length",),
    "PyTorch's average and power-average pools have no dilation": (
        "test_averagepool_2d_dilations",
        "test_averagepool_3d_dilations_small",
        "test_averagepool_3d_dilations_large_count_include_pad_is_[01]_ceil_mode_is_True",
        "test_averagepool_3d_dilations_large_count_include_pad_is_[01]_ceil_mode_is_False",
        "test_lppool_2d_dilations",
    ),
    "fold is for two spatial axes, as in PyTorch": ("test_col2im_5d",),
    "the extremum of no elements, an error in the array API and in PyTorch": (
        "test_reduce_max_empty_set",
        "test_reduce_min_empty_set",
    ),
    "no unique along an axis or in order of appearance in the array API": (
        "test_unique_not_sorted_without_axis",
        "test_unique_sorted_with_axis",
        "test_unique_sorted_with_axis_3d",
        "test_unique_sorted_with_negative_axis",
    ),
    "no assignment that adds, multiplies or compares in the array API": (
        "test_scatter_elements_with_duplicate_indices",
        "test_scatter_elements_with_reduction_m*",
        "test_scatternd_add",
        "test_scatternd_multiply",
        "test_scatternd_max*",
        "test_scatternd_min*",
    ),
    "antialiasing repeats the border, PyTorch's leaves out what is not in the image": (
        "test_resize_downsample_s*_linear_antialias",
        "test_resize_downsample_s*_cubic_antialias",
    ),
    "the aligned corners belong to a size that is not rounded down": (
        "test_resize_downsample_scales_linear_align_corners",
        "test_resize_downsample_scales_cubic_align_corners",
    ),
    "a single row or column is the first one, in PyTorch the middle": (
        "test_resize_downsample_sizes_linear_pytorch_half_pixel",
    ),
    "coordinates or rounding that interpolate does not have": (
        "test_resize_downsample_scales_linear_half_pixel_symmetric",
        "test_resize_upsample_scales_linear_half_pixel_symmetric",
        "test_resize_upsample_scales_cubic_asymmetric",
        "test_resize_upsample_sizes_nearest_ceil_half_pixel",
        "test_resize_upsample_sizes_nearest_floor_align_corners",
        "test_resize_upsample_sizes_nearest_round_prefer_ceil_asymmetric",
    ),
    "another cubic kernel than PyTorch's": (
        "test_resize_downsample_scales_cubic_A_n0p5_exclude_outside",
        "test_resize_upsample_scales_cubic_A_n0p5_exclude_outside",
    ),
    "crops before it resizes": ("test_resize_tf_crop_and_resize*",),
}

# Operators without an adapter: a graph with one of them is explained.
LEFT_OUT: dict[str, tuple[str, ...]] = {
    "control flow, which is Python's": ("If", "Loop", "Scan"),
    "lists and values that may be missing, which are Python's": (
        "OptionalGetElement",
        "OptionalHasElement",
        "SequenceEmpty",
        "SequenceInsert",
        "SequenceLength",
        "SequenceMap",
        "SplitToSequence",
    ),
    "strings and text": (
        "RegexFullMatch",
        "StringConcat",
        "StringNormalizer",
        "StringSplit",
        "TfIdfVectorizer",
    ),
    "8-bit arithmetic with scales": (
        "ConvInteger",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "MatMulInteger",
        "QLinearConv",
        "QLinearMatMul",
        "QuantizeLinear",
    ),
    "trees and tables of labels": (
        "ArrayFeatureExtractor",
        "Binarizer",
        "LabelEncoder",
        "TreeEnsemble",
    ),
    "boxes and image files, in PyTorch torchvision's": (
        "CenterCropPad",
        "DeformConv",
        "ImageDecoder",
        "NonMaxSuppression",
        "RoiAlign",
    ),
    "spectra of signals beyond the array API's fft": (
        "BlackmanWindow",
        "HammingWindow",
        "HannWindow",
        "MelWeightMatrix",
        "STFT",
    ),
    "random, from another generator than gpudl's": ("Bernoulli", "RandomUniformLike"),
    "a state from step to step, of which PyTorch has no layer": ("LinearAttention",),
    "bits read as another dtype, which the array API does not have": ("BitCast",),
}

# What ONNX wrote down in four digits, and is compared by its own tolerances.
ROUNDED = ("test_averagepool_2d_ceil_last_window_starts_on_pad",)

WITHOUT_ADAPTER = {op: reason for reason, ops in LEFT_OUT.items() for op in ops}


def reason(case: Any) -> str | None:
    """Why the case does not pass; None for a case that must."""
    for why, patterns in EXPLAINED.items():
        if any(fnmatchcase(case.name, pattern) for pattern in patterns):
            return why
    missing = (WITHOUT_ADAPTER.get(node.op_type) for node in case.model.graph.node)
    return next(filter(None, missing), None)
