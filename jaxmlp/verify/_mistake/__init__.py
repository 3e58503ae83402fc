"""What is the mistake? The correction that was found, put into words."""
