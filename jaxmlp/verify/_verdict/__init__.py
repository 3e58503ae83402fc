"""Is the gradient right? What is seen of it at several points, and what rounding allows."""
