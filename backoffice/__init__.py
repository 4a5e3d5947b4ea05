"""The back office's frame: navigation, dashboard. A model's own pages are in its app's ``admin.py``."""
