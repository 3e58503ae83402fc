"""Is a forward and backward pair, or a custom rule, the derivative of its own function?"""
