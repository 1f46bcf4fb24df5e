from .tensor import *
from .layers import *
from .losses import *
from .optimizers import *
