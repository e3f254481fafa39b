"""From a data set to a phone with TopFormer: train, evaluate, export to TNN, measure."""

__version__ = "0.1.0"
