"""Changes of the decoder: the weights stay, and what comes out is changed."""
