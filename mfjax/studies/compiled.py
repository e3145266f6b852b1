"""Programs that a command compiled, kept in the cache folder, so that the command's next run begins at once.

The results are the same to the bit: what is loaded is what was compiled. Folders are apart by the version of JAX, whose
own key tells programs, compiler options and processors apart.
"""

from __future__ import annotations

from typing import Any

import jax

from mfjax.data.published.sources import cache_dir


def keep() -> None:
    """Have JAX keep compiled programs in `programs/` of the cache folder.

    Where the caller has set a folder of JAX's own (`JAX_COMPILATION_CACHE_DIR`) or switched its cache off
    (`JAX_ENABLE_COMPILATION_CACHE=0`), that holds.
    """
    settings: Any = jax.config
    if settings.jax_compilation_cache_dir is not None or not settings.jax_enable_compilation_cache:
        return
    folder = cache_dir() / "programs" / f"jax-{jax.__version__}"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Most programs here take less than JAX's second, but there are many of them.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
