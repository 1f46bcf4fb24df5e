from .tensor import *
