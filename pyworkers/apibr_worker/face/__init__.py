"""Finding a face and its landmarks in a picture."""

from apibr_worker.face.mesh import FaceMesh, Landmarks

__all__ = ["FaceMesh", "Landmarks"]
