"""Finding a face and its landmarks in a picture."""

from apibr_worker.face.mesh import FaceMesh, Faces, Landmarks, roll

__all__ = ["FaceMesh", "Faces", "Landmarks", "roll"]
