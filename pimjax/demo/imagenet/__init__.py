"""Photographs at 224x224 through EfficientNet-Lite0 on a chip, top-5 beside float's."""
