"""Pictures for every engine: files in and out, colours, and the face in a picture. No torch here."""
