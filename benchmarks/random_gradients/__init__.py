"""Networks, points and gradients drawn at random: right ones that share no code with their loss, and wrong ones.

forms.py      activations and losses, each in several forms that are equal on paper, and so are their derivatives
points.py     parameters and data: scaled, saturated, trained, at a kink, with dead units, zeros and duplicates
passes.py     one backward pass arranged in several ways
mistakes.py   the mistakes that are put into one
cases.py      a seed drawn into all of that
"""
