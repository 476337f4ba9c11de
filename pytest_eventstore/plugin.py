"""The pytest hooks of the plugin."""
