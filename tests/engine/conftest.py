"""One thread, as in training processes: on small tensors and busy cores more threads are slower by tens."""

import torch

torch.set_num_threads(1)
