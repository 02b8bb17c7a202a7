"""Datasets and where they come from."""

from byrote.data.arrays import from_arrays as from_arrays
from byrote.data.controls import KINDS as KINDS
from byrote.data.controls import Controls as Controls
from byrote.data.controls import HasRng as HasRng
from byrote.data.dataset import Dataset as Dataset
from byrote.data.dataset import Display as Display
from byrote.data.dataset import notes as notes
from byrote.data.digits import digits as digits
from byrote.data.fashion_mnist import fashion_mnist as fashion_mnist
from byrote.data.hugging_face import from_hugging_face as from_hugging_face
from byrote.data.idx import read_idx as read_idx
from byrote.data.torch_dataset import from_torch as from_torch
