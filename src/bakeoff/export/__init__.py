"""Export of a trained model as ONNX and safetensors, with a model card."""

from bakeoff.export.exporting import Exported, export

__all__ = ["Exported", "export"]
