"""The slow, obvious reference: Python integers and fractions, nothing shared with pimjax."""

from .adc import code_range, convert, round_rational
from .bounds import (
    bits_needed,
    largest_running_sum,
    running_sum_range,
    running_sum_range_any_weights,
)
from .codes import (
    act_digits,
    act_range,
    conversion_weights,
    slice_weights,
    weight_cells,
    weight_codes,
)
from .columns import OracleColumns
from .config import OracleChip, from_chip
from .conv2d import conv2d
from .matmul import Stats, matmul
from .pool import average_pool, max_pool
from .requantize import (
    add_branches,
    fixed_point,
    float32,
    output_code,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
    shift,
)

__all__ = [
    "OracleChip",
    "OracleColumns",
    "Stats",
    "act_digits",
    "act_range",
    "add_branches",
    "average_pool",
    "bits_needed",
    "code_range",
    "conv2d",
    "conversion_weights",
    "convert",
    "fixed_point",
    "float32",
    "from_chip",
    "largest_running_sum",
    "matmul",
    "max_pool",
    "output_code",
    "round_rational",
    "rounding_divide_by_pot",
    "running_sum_range",
    "running_sum_range_any_weights",
    "saturating_rounding_doubling_high_mul",
    "shift",
    "slice_weights",
    "weight_cells",
    "weight_codes",
]
