"""A model in other programs' hands: as ONNX, with a model card."""
