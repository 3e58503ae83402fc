"""A second opinion: the gradient from the values of the loss alone."""
