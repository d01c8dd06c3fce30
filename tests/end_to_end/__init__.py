"""The main job in a whole installation, whatever happens to its services meanwhile."""
