"""Settings of every test: strict JAX promotion, hypothesis without a clock, the shared data."""

from pathlib import Path

import jax
import pytest
from hypothesis import settings

from tests.support import EXAMPLES

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# Most of the suite's time is compilation: processes share it, and a second run finds it done.
jax.config.update("jax_compilation_cache_dir", str(Path(__file__).parents[1] / ".jax_cache"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

settings.register_profile(
    "pimjax", deadline=None, derandomize=True, max_examples=100 * EXAMPLES, database=None
)
settings.load_profile("pimjax")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of data that is not part of the project; tests skip where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"shared data is absent: {folder} is no folder")
    return folder
