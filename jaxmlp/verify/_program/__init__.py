"""A function as a program: its equations, what they compute, and the lines of the source that they stand on."""
