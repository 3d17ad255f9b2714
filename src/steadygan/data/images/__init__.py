"""A user's own image files: found in a folder or .zip, sorted into splits and classes, decoded once."""
