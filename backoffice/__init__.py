"""The back office's frame: navigation, dashboard. Each model's own pages stand in its app's ``admin.py``."""
