"""From a data set to a phone with TopFormer: data, training, evaluation, TNN export, measurement."""

__version__ = "0.1.0"
