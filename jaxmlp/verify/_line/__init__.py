"""Which line is wrong? The least correction of the program that makes leaves of the gradient right."""
