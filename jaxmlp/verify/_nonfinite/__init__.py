"""Where is a NaN born?"""
