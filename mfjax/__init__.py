"""mfjax: matrix-factorisation recommenders as pure, compiled functions in JAX."""
