"""Export: a study's trained model for use elsewhere, as ONNX and safetensors, with a model card."""

from bakeoff.export.exporting import Exported, export

__all__ = ["Exported", "export"]
